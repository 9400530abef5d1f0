#pragma once

#include <limits>
#include <type_traits>

#include "fovea/backends/dtype.h"

/// One element between storage and compute types, as MapCall defines it.
namespace fovea::cpu {

/// A number as i32: towards zero, saturating; NaN is 0.
template <class T>
int32_t to_i32(T value) {
  constexpr T limit = static_cast<T>(2147483648.0);
  if (!(value < limit)) return value == value ? std::numeric_limits<int32_t>::max() : 0;
  return value < -limit ? std::numeric_limits<int32_t>::min() : static_cast<int32_t>(value);
}

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{0};
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, int32_t> && std::is_floating_point_v<From>) {
    return to_i32(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace fovea::cpu
