#include "fovea/autograd/indexing.h"

#include <cstdint>
#include <utility>

#include "fovea/autograd/by_index.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/autograd/sparse_rows.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/creation.h"

namespace fovea {

using autograd::check_index;
using autograd::check_scatter;
using autograd::gather_elements;

namespace {

void check_adds(const Tensor& x, const char* name, Caller caller) {
  if (x.dtype() == boolean) raise<DTypeError>(caller, "{}: bool has no sums; convert with .to(i32)", name);
}

Tensor scatter_rows(const Tensor& g, const Tensor& index, const Shape& shape, int64_t skip);

/// out [n, ...] += source at index, but for the position `skip`.
void add_rows(const Tensor& source, const Tensor& index, const Tensor& out, int64_t skip) {
  out.backend().scatter_add({raw::contiguous(source).view(), index.view(), out.view(), 0, true, skip});
}

/// The gradient of a table that was read at index.
struct GatherRowsBackward {
  Saved index;
  Shape shape;
  int64_t skip;

  Gradients operator()(const Tensor& g) const { return {scatter_rows(g, *index, shape, skip)}; }
  void accumulate(const Tensor& g, const Tensor& sum) const { add_rows(g, *index, sum, skip); }
};

/// table [n, ...] read at index -> [index..., ...].
Tensor gather_rows(const Tensor& table, const Tensor& index, int64_t skip, const char* name, Caller caller) {
  Shape shape = index.shape();
  for (int axis = 1; axis < table.rank(); ++axis) shape.push_back(table.shape()[axis]);
  const Tensor source = raw::contiguous(table);
  const Tensor positions = raw::contiguous(index);
  Tensor out = raw::empty(shape, table.options());
  table.backend().gather({source.view(), positions.view(), out.view(), 0, true, name});
  return record(name, std::move(out), {table}, GatherRowsBackward{positions, table.shape(), skip}, caller);
}

/// Zeros of `shape` with the rows of g added at index: the adjoint of gather_rows.
Tensor scatter_rows(const Tensor& g, const Tensor& index, const Shape& shape, int64_t skip) {
  Tensor out = zeros(shape, g.options());
  add_rows(g, index, out, skip);
  return record("scatter_rows", std::move(out), {g}, [index = Saved(index), skip](const Tensor& gg) {
    Tensor read = gather_rows(gg, *index, skip, "gather_rows", {});
    if (skip < 0) return Gradients{read};
    // A skipped position took nothing in, so nothing comes back to it.
    Tensor kept = ne(*index, static_cast<double>(skip));
    while (kept.rank() < read.rank()) kept = kept.unsqueeze(-1);
    return Gradients{where(kept, read, 0.0)};
  });
}

/// The gradient of rows of a table, added to what its leaf already holds.
void deliver_sparse(Tensor weight, RowSparse rows) {
  if (const RowSparse* before = weight.sparse_grad()) rows = autograd::add_up(*before, rows, weight);
  weight.set_sparse_grad(std::move(rows));
}

void check_sparse(const Tensor& weight, const char* name, Caller caller) {
  if (!weight.is_leaf()) raise<AutogradError>(caller, "{}: sparse gradients need a weight that is a leaf", name);
}

/// out [.., index, ..] += source: the kernel, for an index that covers a part of either.
void scatter_into(const Tensor& out, int a, const Tensor& index, const Tensor& source, const char* name) {
  Shape covered = out.shape();
  for (int i = 0; i < out.rank(); ++i) {
    if (i != a) covered[i] = index.shape()[i];
  }
  const Tensor read = raw::window(source, index.shape(), source.strides(), source.view().offset);
  const Tensor written = raw::window(out, covered, out.strides(), out.view().offset);
  out.backend().scatter_add({read.view(), index.view(), written.view(), a, false, -1, 1, name});
}

/// Zeros of `shape` with g added at index along axis a: the adjoint of gather_elements.
Tensor scatter_elements(const Tensor& g, const Tensor& index, const Shape& shape, int a) {
  Tensor out = zeros(shape, g.options());
  scatter_into(out, a, index, g, "scatter_add");
  return record("gather_backward", std::move(out), {g}, [a, index = Saved(index)](const Tensor& gg) {
    return Gradients{gather_elements(gg, a, *index, "gather", {})};
  });
}

}  // namespace

void autograd::check_index(const Tensor& x, const Tensor& index, const char* name, Caller caller) {
  raw::check_defined(name, index, caller);
  check_recorded_device(name, index.backend(), caller);
  if (index.dtype() != i32) {
    raise<DTypeError>(caller, "{}: indices must be i32, not {}; convert with .to(i32)", name, index.dtype());
  }
  if (&x.backend() != &index.backend()) {
    raise<DeviceError>(caller, "{}: tensors are on {} and {}; move one with .to()", name, x.device(), index.device());
  }
}

void autograd::check_scatter(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const char* name,
                             Caller caller) {
  check_index(x, index, name, caller);
  raw::check_defined(name, source, caller);
  bool fits = index.rank() == x.rank() && source.rank() == x.rank();
  for (int i = 0; fits && i < x.rank(); ++i) {
    fits = index.shape()[i] <= source.shape()[i] && (i == axis || index.shape()[i] <= x.shape()[i]);
  }
  if (!fits) {
    raise<ShapeError>(caller, "{}: index {} and source {} do not fit {}", name, index.shape(), source.shape(),
                      x.shape());
  }
  raw::check_alike(name, {&x, &source}, caller);
  check_adds(x, name, caller);
}

Tensor autograd::gather_elements(const Tensor& x, int a, const Tensor& index, const char* name, Caller caller) {
  Shape covered = index.shape();
  covered[a] = x.shape()[a];
  Tensor out = raw::empty(index.shape(), x.options());
  const Tensor source = raw::window(x, covered, x.strides(), x.view().offset);
  x.backend().gather({source.view(), index.view(), out.view(), a, false, name});
  return record(
      name, std::move(out), {x},
      [a, index = Saved(index), shape = x.shape()](const Tensor& g) {
        return Gradients{scatter_elements(g, *index, shape, a)};
      },
      caller);
}

Tensor autograd::is_last(const Tensor& places, int axis) {
  Shape end = places.shape();
  end[axis] = 1;
  return ne(places, concat({places.slice(axis, 1), full(end, -1, places.options())}, axis));
}

Tensor index_select(const Tensor& x, int axis, const Tensor& index, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("index_select", x, caller);
  const int a = normalize_axis(axis, x.rank(), "index_select", caller);
  check_index(x, index, "index_select", caller);
  if (index.rank() != 1 || x.rank() == 0) {
    raise<ShapeError>(caller, "index_select: index {} into {}; the index must have one axis", index.shape(), x.shape());
  }
  if (a == 0) return gather_rows(x, index, -1, "index_select", caller);
  // Rows are whole only where the axis comes first, which takes a copy of x: too much for few of them, or for single
  // elements, which are gathered one by one.
  if (a == x.rank() - 1 || index.numel() * 16 <= x.shape()[a]) {
    Shape along, wide = x.shape();
    for (int i = 0; i < x.rank(); ++i) along.push_back(i == a ? index.numel() : 1);
    wide[a] = index.numel();
    return gather_elements(x, a, index.reshape(along).expand(wide), "index_select", caller);
  }
  return gather_rows(x.transpose(0, a, caller), index, -1, "index_select", caller).transpose(0, a, caller);
}

Tensor gather(const Tensor& x, int axis, const Tensor& index, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("gather", x, caller);
  const int a = normalize_axis(axis, x.rank(), "gather", caller);
  check_index(x, index, "gather", caller);
  if (x.rank() == 0 && index.rank() == 0) return gather(x.reshape({1}), 0, index.reshape({1}), caller).reshape({});
  bool fits = index.rank() == x.rank();
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == a || index.shape()[i] <= x.shape()[i];
  if (!fits) raise<ShapeError>(caller, "gather: index {} does not fit {}", index.shape(), x.shape());
  return gather_elements(x, a, index, "gather", caller);
}

namespace {

/// x [n, ...] with the rows of `source` [m, ...] added at index [m].
Tensor add_rows(const Tensor& x, const Tensor& index, const Tensor& source, const char* name, Caller caller) {
  Tensor out = raw::clone(x);
  const Tensor rows = raw::contiguous(source), positions = raw::contiguous(index);
  x.backend().scatter_add({rows.view(), positions.view(), out.view(), 0, true, -1, 1, name});
  return record(
      name, std::move(out), {x, source},
      [index = Saved(positions)](const Tensor& g, Needs needs) {
        return Gradients{needs[0] ? g : Tensor(), needs[1] ? index_select(g, 0, *index) : Tensor()};
      },
      caller);
}

/// Whether an index names whole rows: it is one of them, expanded, and nothing lies beside it.
bool names_rows(const Tensor& x, const Tensor& index, const Tensor& source) {
  if (x.rank() < 2 || index.numel() == 0 || index.shape() != source.shape()) return false;
  for (int i = 1; i < x.rank(); ++i) {
    if (index.shape()[i] != x.shape()[i] || (index.strides()[i] != 0 && index.shape()[i] > 1)) return false;
  }
  return x.numel() > x.shape()[0];
}

}  // namespace

Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("index_add", x, caller);
  const int a = normalize_axis(axis, x.rank(), "index_add", caller);
  check_index(x, index, "index_add", caller);
  raw::check_defined("index_add", source, caller);
  Shape wanted = x.shape();
  if (index.rank() == 1 && x.rank() > 0) wanted[a] = index.numel();
  if (index.rank() != 1 || x.rank() == 0 || source.shape() != wanted) {
    raise<ShapeError>(caller, "index_add: index {} and source {} do not fit axis {} of {}", index.shape(),
                      source.shape(), a, x.shape());
  }
  raw::check_alike("index_add", {&x, &source}, caller);
  check_adds(x, "index_add", caller);
  if (a == 0) return add_rows(x, index, source, "index_add", caller);
  return add_rows(x.transpose(0, a, caller), index, source.transpose(0, a, caller), "index_add", caller)
      .transpose(0, a, caller);
}

Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("scatter_add", x, caller);
  const int a = normalize_axis(axis, x.rank(), "scatter_add", caller);
  check_scatter(x, a, index, source, "scatter_add", caller);
  if (x.rank() == 0) {
    return scatter_add(x.reshape({1}), 0, index.reshape({1}), source.reshape({1}), caller).reshape({});
  }
  if (a == 0 && names_rows(x, index, source)) {
    const Tensor rows = raw::window(index, {index.shape()[0]}, {index.strides()[0]}, index.view().offset);
    return add_rows(x, rows, source, "scatter_add", caller);
  }
  Tensor out = raw::empty(x.shape(), x.options());
  raw::copy(x, out);
  scatter_into(out, a, index, source, "scatter_add");
  return record(
      "scatter_add", std::move(out), {x, source},
      [a, index = Saved(index), shape = source.shape()](const Tensor& g, Needs needs) {
        Gradients gradients(2);
        if (needs[0]) gradients[0] = g;
        if (needs[1]) {
          gradients[1] = gather(g, a, *index);
          for (int i = 0; i < shape.rank(); ++i) {
            // Positions of the source that the index does not cover took no part.
            const int64_t missing = shape[i] - gradients[1].shape()[i];
            if (missing == 0) continue;
            Shape wide = gradients[1].shape();
            wide[i] = shape[i];
            gradients[1] = slice_scatter(gradients[1], wide, i, 0, 1);
          }
        }
        return gradients;
      },
      caller);
}

namespace {

struct Bags {
  Tensor index;
  Tensor offsets;
};

void check_offsets(const Tensor& offsets, int64_t count, Caller caller) {
  const std::vector<int32_t> starts = offsets.to_vector<int32_t>(caller);
  for (size_t b = 0; b < starts.size(); ++b) {
    const int32_t least = b == 0 ? 0 : starts[b - 1];
    if (starts[b] >= least && starts[b] <= count) continue;
    raise<IndexError>(caller, "embedding_bag: offset {} at position {} is not from {} to {}", starts[b], b, least,
                      count);
  }
}

/// The bags without the entries of one index: those stand in front of all bags.
Bags without(const Tensor& index, const Tensor& offsets, int64_t padding_index, Caller caller) {
  const int64_t count = index.numel();
  // Elsewhere the kernels find what is wrong.
  if (offsets.buffer()->host() && !is_recording()) check_offsets(offsets, count, caller);
  const TensorOptions whole{i32, index.device()};
  const Tensor keep = ne({index, caller}, static_cast<double>(padding_index));
  const Tensor before = pad(cumsum(keep, 0), {1, 0});  // how many are kept before each position, and of all
  const Tensor padding = static_cast<double>(count) - before.slice(0, count);
  const Tensor here = before.slice(0, 0, count);
  const Tensor place = where(keep, padding + here, arange(0, static_cast<double>(count), 1, whole) - here);
  return {scatter_add(zeros({count}, whole), 0, place, where(keep, index, 0.0)),
          gather_elements(before, 0, offsets, "embedding_bag", caller) + padding};
}

/// embedding_bag() with the padding's rows, which get no gradient.
Tensor bag_rows(const Tensor& given_index, const Tensor& given_offsets, const Tensor& weight, bool mean,
                EmbeddingOptions options, Caller caller) {
  if (options.sparse && weight.requires_grad()) check_sparse(weight, "embedding_bag", caller);
  const Tensor index = raw::contiguous(given_index), offsets = raw::contiguous(given_offsets);
  const Tensor table = raw::contiguous(weight);
  Tensor out = raw::empty({offsets.numel(), weight.shape()[1]}, weight.options());
  weight.backend().bag({table.view(), index.view(), offsets.view(), out.view(), mean, "embedding_bag"});
  return record(
      "embedding_bag", std::move(out), {weight},
      [index = Saved(index), offsets = Saved(offsets), weight = weight.detach(), leaf = weight, mean,
       options](const Tensor& g) {
        if (options.sparse && !grad_enabled()) {
          const Tensor dense = raw::contiguous(g);
          each_rows(g.backend(), {index->view(), offsets->view(), dense.view(), mean, options.padding_index},
                    [leaf](RowSparse rows) { deliver_sparse(leaf, std::move(rows)); });
          return Gradients{Tensor()};
        }
        // Each position reads its bag's gradient; a mean divides it by the bag's size first. Bags are counted from 1 on:
        // 0 is a row of zeros, for positions in front of all bags.
        const int64_t count = index->numel();
        const TensorOptions whole{i32, g.device()};
        const Tensor begins = scatter_add(zeros({count + 1}, whole), 0, *offsets, ones(offsets->shape(), whole));
        const Tensor bag_of = cumsum(begins, 0).slice(0, 0, count);
        Tensor scaled = g;
        if (mean) {
          const Tensor ends = concat({offsets->slice(0, 1), full({1}, static_cast<double>(count), whole)});
          const Tensor sizes = maximum(ends - *offsets, 1.0).to(raw::compute_dtype(g.dtype()));
          scaled = g * reciprocal(sizes).to(g.dtype()).unsqueeze(1);
        }
        const Tensor rows = gather_rows(pad(scaled, {0, 0, 1, 0}), bag_of, -1, "embedding_bag_backward", {});
        return Gradients{scatter_rows(rows, *index, weight.shape(), options.padding_index)};
      },
      caller);
}

}  // namespace

Tensor embedding(const Tensor& index, const Tensor& weight, EmbeddingOptions options, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("embedding", weight, caller);
  check_index(weight, index, "embedding", caller);
  if (weight.rank() != 2) raise<ShapeError>(caller, "embedding: the weight must be a matrix, not {}", weight.shape());
  if (!options.sparse || !weight.requires_grad() || !grad_enabled()) {
    return gather_rows(weight, index, options.padding_index, "embedding", caller);
  }
  // A row of the output is a bag of one.
  const Tensor offsets = arange(0, static_cast<double>(index.numel()), 1, {i32, index.device()});
  Shape shape = index.shape();
  shape.push_back(weight.shape()[1]);
  return bag_rows(index.reshape({-1}), offsets, weight, false, options, caller).reshape(shape);
}

Tensor embedding_bag(const Tensor& index, const Tensor& weight, const Tensor& offsets, bool mean,
                     EmbeddingOptions options, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("embedding_bag", weight, caller);
  check_index(weight, index, "embedding_bag", caller);
  check_index(weight, offsets, "embedding_bag", caller);
  if (weight.rank() != 2 || index.rank() != 1 || offsets.rank() != 1) {
    raise<ShapeError>(caller, "embedding_bag: index {}, offsets {} and weight {} must have 1, 1 and 2 axes",
                      index.shape(), offsets.shape(), weight.shape());
  }
  if (options.padding_index < 0) return bag_rows(index, offsets, weight, mean, options, caller);
  const Bags bags = without(index, offsets, options.padding_index, caller);
  return bag_rows(bags.index, bags.offsets, weight, mean, options, caller);
}

Tensor one_hot(const Tensor& index, int64_t classes, DType dtype, Caller caller) {
  const ErrorScope scope(caller);
  if (classes < 0) raise<ValueError>(caller, "one_hot: {} classes", classes);
  check_index(index, index, "one_hot", caller);
  // A class that is none is found by the scatter.
  const DType stored = dtype == boolean ? i32 : dtype;
  Shape shape = index.shape();
  shape.push_back(classes);
  raw::check_shape(shape, "one_hot", caller);
  Tensor out = zeros(shape, {stored, index.device()}, caller);
  const Tensor at = index.unsqueeze(-1);
  const Tensor one = raw::expand(scalar(1, out.options()), at.shape());
  scatter_into(out, shape.rank() - 1, at, one, "one_hot");
  return out.to(dtype);
}

}  // namespace fovea
