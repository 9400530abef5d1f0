#include "fovea/autograd/by_index.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/scatter_product.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

/// What comes last of each place of x when `source` is sorted, and 0 where the index names none.
Tensor last_sorted(const Tensor& x, int axis, const Tensor& index, const Tensor& source, bool descending) {
  const Sorted by_value = sort(source, axis, descending);
  const Sorted by_place = sort(gather(index, axis, by_value.indices), axis);
  const Tensor values = gather(by_value.values, axis, by_place.indices);
  const Tensor& places = by_place.values;
  return scatter_add(zeros_like(x), axis, places, where(autograd::is_last(places, axis), values, 0.0));
}

/// The greatest or least of what x and `source` hold for each place that is `named`, outside the graph.
Tensor extremes(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const Tensor& named, bool least,
                bool include_self) {
  const NoGrad off;
  // A NaN is sorted as the greatest, also among negatives; the least whole number has none.
  const bool negated = least && is_floating(x.dtype());
  const Tensor last = last_sorted(x, axis, index, negated ? -source : source, least && !negated);
  const Tensor most = negated ? -last : last;
  const Tensor both = !include_self ? most : least ? minimum(x, most) : maximum(x, most);
  return where(named, both, x);
}

/// By which part of its gradient each place of x and each element of `source` won its place.
struct Shares {
  Tensor x, source;
};

Shares shares_of(const Tensor& x, const Tensor& source, const Tensor& out, int axis, const Tensor& index,
                 const Tensor& named, bool include_self, DType dtype) {
  const NoGrad off;
  const DType wide = raw::compute_dtype(dtype);
  const Tensor held = eq(x, out);
  const Tensor own = (include_self ? held : logical_and(held, logical_not(named))).to(wide);
  const Tensor won = eq(source, gather(out, axis, index)).to(wide);
  const Tensor share = reciprocal(scatter_add(own, axis, index, won));
  return {(own * share).to(dtype), (won * gather(share, axis, index)).to(dtype)};
}

}  // namespace

Tensor scatter_reduce(const Tensor& x, int axis, const Tensor& index, const Tensor& source, ScatterReduction reduction,
                      bool include_self, Caller caller) {
  constexpr const char* name = "scatter_reduce";
  const ErrorScope scope(caller);
  raw::check_defined(name, x, caller);
  const int a = normalize_axis(axis, x.rank(), name, caller);
  autograd::check_scatter(x, a, index, source, name, caller);
  if (x.rank() == 0) {
    return scatter_reduce(x.reshape({1}), 0, index.reshape({1}), source.reshape({1}), reduction, include_self, caller)
        .reshape({});
  }
  if (reduction == ScatterReduction::mean) raw::check_floating(name, x, caller);
  Tensor part = source;
  for (int i = 0; i < x.rank(); ++i) {
    if (part.shape()[i] != index.shape()[i]) part = part.slice(i, 0, index.shape()[i]);
  }
  if (index.numel() == 0) return scatter_add(x, a, index, part);
  // In i32: a half would count to 2048 or 256 and no further.
  const TensorOptions whole{i32, x.device()};
  const Tensor count = scatter_add(zeros(x.shape(), whole), a, index, ones({}, whole).expand(index.shape()));
  const Tensor named = gt(count, 0.0);
  if (reduction == ScatterReduction::sum) {
    return scatter_add(include_self ? x : where(named, 0.0, x), a, index, part);
  }
  if (reduction == ScatterReduction::mean) {
    const Tensor of = maximum(include_self ? count + 1.0 : count, 1.0);
    return scatter_add(include_self ? x : where(named, 0.0, x), a, index, part) *
           reciprocal(of.to(raw::compute_dtype(x.dtype()))).to(x.dtype());
  }
  if (reduction == ScatterReduction::prod)
    return autograd::scatter_product(x, a, index, part, named, include_self, caller);
  const Tensor out = extremes(x, a, index, part, named, reduction == ScatterReduction::amin, include_self);
  return record(
      name, out, {x, part},
      [a, include_self, x = Saved(x.detach()), part = Saved(part.detach()), index = Saved(index), named,
       out = Saved(out.detach())](const Tensor& g, Needs needs) {
        const Shares won = shares_of(*x, *part, *out, a, *index, named, include_self, g.dtype());
        return Gradients{needs[0] ? g * won.x : Tensor(), needs[1] ? gather(g, a, *index) * won.source : Tensor()};
      },
      caller);
}

}  // namespace fovea
