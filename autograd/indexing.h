#pragma once

#include "fovea/tensor/tensor.h"

// Reading and writing by index. Indices are i32; one outside its axis throws IndexError. Else ShapeError, DTypeError and
// DeviceError tell what does not fit; what is added by index is no bool.
namespace fovea {

/// Elements of `axis` at `index` [m], in that order.
Tensor index_select(const Tensor& x, int axis, const Tensor& index, Caller caller = {});
/// out[.., i, ..] = x[.., index[.., i, ..], ..]; index has x's rank and at most its sizes beside `axis`.
Tensor gather(const Tensor& x, int axis, const Tensor& index, Caller caller = {});
/// x with `source` added at `index`: the adjoint of gather.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, Caller caller = {});

/// x with the rows of `source` added at `index` [m] of `axis`; source has x's sizes beside it and m along it. Rows that meet
/// are added in order. The adjoint of index_select.
Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, Caller caller = {});

/// How scatter_reduce folds what meets in one place.
enum class ScatterReduction : uint8_t { sum, mean, amax, amin, prod };
/// x with `source` folded in at `index`, as scatter_add adds it; without `include_self` what x holds at a place that the
/// index names takes no part. Places that it does not name keep x's. Equal greatest (least) ones share the gradient; a NaN
/// is the greatest and the least.
Tensor scatter_reduce(const Tensor& x, int axis, const Tensor& index, const Tensor& source, ScatterReduction reduction,
                      bool include_self = true, Caller caller = {});

/// Where x is not 0: i32 [count, rank], the positions in row-major order. Read by the host.
Tensor nonzero(const Tensor& x, Caller caller = {});
/// The elements of x where `mask` (bool) holds, both broadcast, in row-major order: [count]. The mask is read by the host.
Tensor masked_select(const Tensor& x, const Tensor& mask, Caller caller = {});

struct EmbeddingOptions {
  int64_t padding_index = -1;  // this row gets no gradient, and embedding_bag leaves it out; -1: none
  bool sparse = false;         // the gradient arrives as weight.sparse_grad(), by rows; weight must be a leaf
};
/// weight [n, d] read at index (any shape I) -> [I..., d].
Tensor embedding(const Tensor& index, const Tensor& weight, EmbeddingOptions options = {}, Caller caller = {});
/// Sums (or means) of rows: bag b holds index[offsets[b]] up to before index[offsets[b + 1]] -> [bags, d]; an empty one
/// is 0.
Tensor embedding_bag(const Tensor& index, const Tensor& weight, const Tensor& offsets, bool mean = false,
                     EmbeddingOptions options = {}, Caller caller = {});

/// 1 at each index and 0 elsewhere: [..., classes], on the device of the index.
Tensor one_hot(const Tensor& index, int64_t classes, DType dtype = f32, Caller caller = {});

}  // namespace fovea
