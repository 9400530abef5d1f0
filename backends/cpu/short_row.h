#pragma once

#include <cstdint>
#include <cstring>

namespace fovea::cpu {

/// Copies n elements; for rows of an image, which are too short to call memcpy for.
template <class T>
void copy_short_row(const T* from, int64_t n, T* to) {
  constexpr int64_t step = 16 / sizeof(T);
  if (n < step) {
    for (int64_t j = 0; j < n; ++j) to[j] = from[j];
    return;
  }
  for (int64_t j = 0; j + step <= n; j += step) std::memcpy(to + j, from + j, 16);
  std::memcpy(to + n - step, from + n - step, 16);
}

/// Of elements that lie `step` apart.
template <class T>
void copy_short_row(const T* from, int64_t step, int64_t n, T* to) {
  if (step == 1) return copy_short_row(from, n, to);
  for (int64_t j = 0; j < n; ++j) to[j] = from[j * step];
}

}  // namespace fovea::cpu
