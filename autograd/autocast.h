#pragma once

#include "fovea/backends/error.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

/// While it lives, matrix products of f32 on this thread (`matmul`, `linear`, attention and all that is made of them) are
/// computed in f16 or bf16 with f32 sums, forwards and backwards, and their results are f32 again: rounded to the smaller
/// dtype on most devices, not on a processor that multiplies bf16 faster than f32 (one with AMX or AVX512-BF16). There
/// convolutions and the steps of recurrent layers are products too. Attention stays f32 on a device that has a kernel for it
/// but no such products. Everything else stays f32, the weights too: mixed precision (Micikevicius et al. 2018). f32 changes
/// nothing; so a guard turns an outer one off.
///
///     { const Autocast half(bf16); loss = cross_entropy(model.forward(x), y); }
///     loss.backward();
class Autocast {
 public:
  /// Throws DTypeError unless `dtype` is f32, f16 or bf16.
  explicit Autocast(DType dtype, Caller caller = {});
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

  /// The dtype in which this thread computes products of f32.
  static DType product_dtype();

 private:
  DType before_;
};

namespace autograd {
/// Whether products of x are to be computed with operands that its device rounds to bf16 as it reads them.
bool rounds_operands(const Tensor& x);
}  // namespace autograd

}  // namespace fovea
