#pragma once

#include <algorithm>

#include "fovea/backends/kernel_calls.h"

namespace fovea::cpu {

/// How many items of so many multiply-adds of a convolution make a chunk that is worth a thread.
inline int64_t items_per_chunk(int64_t work) { return 1 + (int64_t{1} << 18) / std::max<int64_t>(work, 1); }

/// Computes what the call asks for, in the way of `convolution`.
template <class Way>
void compute_product(const ConvolutionCall& call, const Way& convolution) {
  switch (call.product) {
    case ConvolutionCall::Product::y:
      return convolution.output();
    case ConvolutionCall::Product::x:
      return convolution.input();
    case ConvolutionCall::Product::weight:
      return convolution.weight();
  }
}

}  // namespace fovea::cpu
