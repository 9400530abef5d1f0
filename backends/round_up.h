#pragma once

#include <type_traits>

namespace fovea {

/// value / by, rounded up; both positive or `value` 0.
template <class T>
constexpr T divide_up(T value, std::type_identity_t<T> by) {
  return (value + by - 1) / by;
}

/// The least multiple of `unit` that is not below `value`, both positive or `value` 0.
template <class T>
constexpr T round_up(T value, std::type_identity_t<T> unit) {
  return divide_up(value, unit) * unit;
}

}  // namespace fovea
