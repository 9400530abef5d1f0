#include "fovea/autograd/scatter_product.h"

#include "fovea/autograd/by_index.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"

namespace fovea::autograd {
namespace {

/// Of each element the product of those before it (or behind it) that have the same place, in steps that look twice as far
/// each (Hillis and Steele 1986); `places` are sorted along `axis`.
Tensor products_beside(const Tensor& values, const Tensor& places, int axis, bool before) {
  const int64_t size = places.shape()[axis];
  /// What stands so far before (or behind) each element that has such a neighbour; 1 where that has another place.
  const auto neighbours = [&](const Tensor& x, int64_t distance) {
    const int64_t rest = size - distance;
    return where(eq(places.slice(axis, 0, rest), places.slice(axis, distance)),
                 before ? x.slice(axis, 0, rest) : x.slice(axis, distance), 1.0);
  };
  const auto joined = [&](const Tensor& without, const Tensor& with) {
    return before ? concat({without, with}, axis) : concat({with, without}, axis);
  };
  Shape one = places.shape();
  one[axis] = 1;
  Tensor products = joined(ones(one, values.options()), neighbours(values, 1));
  for (int64_t distance = 1; distance < size; distance *= 2) {
    const int64_t first = before ? 0 : size - distance, rest = before ? distance : 0;
    products = joined(products.slice(axis, first, first + distance),
                      products.slice(axis, rest, rest + size - distance) * neighbours(products, distance));
  }
  return products;
}

/// The elements of `source` by place, and which of each place is the last one.
struct ByPlace {
  ByPlace(const Tensor& index, const Tensor& source, int axis) {
    Sorted sorted = sort(index, axis);
    places = std::move(sorted.values);
    order = std::move(sorted.indices);
    values = gather(source, axis, order);
    last = is_last(places, axis);
  }
  Tensor places, order, values, last;
};

}  // namespace

Tensor scatter_product(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const Tensor& named,
                       bool include_self, Caller caller) {
  /// Of each place of x the product of the source's elements; 1 where there is none.
  const auto fold = [axis, named](const ByPlace& sorted) {
    const Tensor wholes = products_beside(sorted.values, sorted.places, axis, true) * sorted.values;
    const Tensor without = where(named, 0.0, ones(named.shape(), wholes.options()));
    return scatter_add(without, axis, sorted.places, where(sorted.last, wholes, 0.0));
  };
  const auto kept = [named, include_self](const Tensor& own) { return include_self ? own : where(named, 1.0, own); };
  const Tensor out = [&] {
    const NoGrad off;
    return kept(x) * fold(ByPlace(index, source, axis));
  }();
  return record(
      "scatter_reduce", out, {x, source},
      [axis, include_self, named, fold, kept, x = Saved(x), source = Saved(source), index = Saved(index)](
          const Tensor& g, Needs needs) {
        const ByPlace sorted(*index, *source, axis);
        Gradients gradients(2);
        if (needs[0]) gradients[0] = include_self ? g * fold(sorted) : where(named, 0.0, g);
        if (needs[1]) {
          const Tensor others = products_beside(sorted.values, sorted.places, axis, true) *
                                products_beside(sorted.values, sorted.places, axis, false);
          gradients[1] =
              gather(g * kept(*x), axis, *index) * scatter_add(zeros_like(others), axis, sorted.order, others);
        }
        return gradients;
      },
      caller);
}

}  // namespace fovea::autograd
