#pragma once

#include <type_traits>

#include "fovea/backends/cpu/gemm.h"
#include "fovea/backends/cpu/scratch.h"

namespace fovea::cpu {

/// A right operand [k, n] that a thread multiplies again and again, packed once the way that this machine's products want it.
/// Products of bf16 are f32; so are those of f32 that `bf16_operands` rounds first.
template <class T>
class RightOperand {
 public:
  using Result = std::conditional_t<std::is_same_v<T, BFloat16>, float, T>;

  /// Takes b, unless that is what was taken under this name before. What a name stands for must not change. With `splits`
  /// products of f32 go by split_product(), whatever their size.
  void take(uint64_t name, int64_t n, int64_t k, Matrix<T> b, bool bf16_operands, bool splits = false);
  /// c [m, n], rows `stride` apart, = a [m, k] times this (+ c with `accumulate`, or + bias [n] where given instead), on the
  /// calling thread. An element's terms are added in an order that k alone decides, however few the rows are.
  void multiply(int64_t m, Matrix<T> a, Result* c, int64_t stride, bool accumulate, const Result* bias = nullptr) const;

 private:
  enum class Way : uint8_t { as_it_lies, tiles, split, bf16 };

  uint64_t name_ = 0;
  Way way_ = Way::as_it_lies;
  bool bf16_operands_ = false, splits_ = false;
  int64_t n_ = 0, k_ = 0;
  Matrix<T> b_{};
  PackingRoom room_;
};

/// A name that nobody has yet.
uint64_t name_operands();

extern template class RightOperand<float>;
extern template class RightOperand<double>;
extern template class RightOperand<BFloat16>;

}  // namespace fovea::cpu
