#include "fovea/backends/cpu/right_operand.h"

#include <atomic>

#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/skinny.h"
#include "fovea/backends/cpu/split_product.h"
#include "fovea/backends/cpu/tile_product.h"

namespace fovea::cpu {

template <class T>
void RightOperand<T>::take(uint64_t name, int64_t n, int64_t k, Matrix<T> b, bool bf16_operands, bool splits) {
  if (name == name_ && n == n_ && k == k_ && b == b_ && bf16_operands == bf16_operands_ && splits == splits_) return;
  name_ = 0;  // until all of it is here
  n_ = n, k_ = k, b_ = b, bf16_operands_ = bf16_operands, splits_ = splits, way_ = Way::as_it_lies;
  if constexpr (!std::is_same_v<T, double>) {
    if (std::is_same_v<T, BFloat16> || bf16_operands) {
      way_ = Way::bf16;
      pack_for_bf16_product(n, k, b, room_.get(packed_for_bf16_product(n, k)));
    }
  }
  if constexpr (std::is_same_v<T, float>) {
    if (way_ != Way::bf16 && splits) {
      way_ = Way::split;
      pack_for_split_product(n, k, b, room_.get(packed_for_split_product(n, k)));
    } else if (way_ != Way::bf16 && has_tile_product() && n > skinny_rows && k > 0) {
      way_ = Way::tiles;
      pack_for_tile_product(n, k, b, room_.get(packed_for_tile_product(n, k)));
    }
  }
  name_ = name;
}

template <class T>
void RightOperand<T>::multiply(int64_t m, Matrix<T> a, Result* c, int64_t stride, bool accumulate,
                               const Result* bias) const {
  if constexpr (!std::is_same_v<T, double>) {
    if (way_ == Way::bf16) return bf16_product(m, n_, k_, a, room_.data(), c, stride, accumulate, bias);
  }
  if constexpr (std::is_same_v<T, float>) {
    if (way_ == Way::split) return split_product(m, n_, k_, a, room_.data(), c, stride, accumulate, bias);
    if (way_ == Way::tiles) return tile_product(m, n_, k_, a, room_.data(), c, stride, accumulate, bias);
  }
  if constexpr (!std::is_same_v<T, BFloat16>) gemm(m, n_, k_, a, b_, c, stride, accumulate, bias);
}

uint64_t name_operands() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

template class RightOperand<float>;
template class RightOperand<double>;
template class RightOperand<BFloat16>;

}  // namespace fovea::cpu
