#pragma once

#include <type_traits>

namespace fovea::cpu {

/// The least multiple of `unit` that is not below `value`, both positive or `value` 0.
template <class T>
constexpr T round_up(T value, std::type_identity_t<T> unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace fovea::cpu
