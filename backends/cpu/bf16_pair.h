#pragma once

#include <cstdint>

#include "fovea/backends/dtype.h"

namespace fovea::cpu {

/// Two bf16 in a word, the first in its lower half: neighbours in memory.
using Bf16Pair = uint32_t;
inline Bf16Pair bf16_pair(float first, float second) {
  return BFloat16(first).bits | static_cast<uint32_t>(BFloat16(second).bits) << 16;
}

/// Whether kernels can multiply words of Bf16Pair, and faster than floats. Where matrix tiles can, products of their own
/// (bf16_product.h) are faster still.
bool multiplies_bf16_pairs();

}  // namespace fovea::cpu
