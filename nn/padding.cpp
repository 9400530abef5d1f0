#include "fovea/nn/padding.h"

#include <algorithm>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {

Tensor pad_sequence(const std::vector<Tensor>& sequences, double value, Caller caller) {
  const ErrorScope scope(caller);
  if (sequences.empty()) raise<ValueError>(caller, "pad_sequence: no sequences given");
  for (const Tensor& x : sequences) raw::check_defined("pad_sequence", x, caller);
  int64_t longest = 0;
  for (const Tensor& x : sequences) {
    Shape like = x.shape(), first = sequences[0].shape();
    if (x.dtype() != sequences[0].dtype()) {
      raise<DTypeError>(caller, "pad_sequence: dtypes differ: {} and {}", sequences[0].dtype(), x.dtype());
    }
    if (like.rank() == 0) raise<ShapeError>(caller, "pad_sequence: a sequence of shape [] has no time");
    longest = std::max(longest, like[0]);
    if (first.rank() > 0) first[0] = like[0];
    if (like != first) {
      raise<ShapeError>(caller, "pad_sequence: shapes differ beside their first sizes: {} and {}", sequences[0].shape(),
                        x.shape());
    }
  }
  std::vector<Tensor> padded;
  for (const Tensor& x : sequences) {
    std::vector<int64_t> sizes(2 * static_cast<size_t>(x.rank()), 0);
    sizes.back() = longest - x.shape()[0];
    padded.push_back(sizes.back() == 0 ? x : pad(x, sizes, value, caller));
  }
  return stack(padded, 0, caller);
}

Tensor sequence_mask(const Tensor& lengths, int64_t time, Caller caller) {
  const ErrorScope scope(caller);
  if (lengths.dtype(caller) != i32) {
    raise<DTypeError>(caller, "sequence_mask: lengths are {}, not i32", lengths.dtype());
  }
  if (time < 0) raise<ValueError>(caller, "sequence_mask: a time of {}", time);
  raw::check_shape({time}, "sequence_mask", caller);
  return arange(static_cast<double>(time), lengths.options(), caller) < lengths.unsqueeze(-1, caller);
}

}  // namespace fovea::nn
