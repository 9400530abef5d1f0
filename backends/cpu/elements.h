#pragma once

#include <type_traits>

#include "fovea/backends/dtype.h"
#include "fovea/backends/error.h"

namespace fovea::cpu {

/// What a kernel computes in for elements of type T: double for double, else float.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// Calls f(T{}) with the element type of a floating dtype.
template <class F>
decltype(auto) visit_floating(const char* kernel, DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::f16:
      return f(Half{});
    case DType::bf16:
      return f(BFloat16{});
    default:
      raise<DTypeError>({}, "{}: {} is not a floating dtype", kernel, name(dtype));
  }
}

/// A row of elements in their compute type: the row itself where they are of that type, else converted into `scratch`.
template <class T>
const Compute<T>* load_row(const T* row, int64_t n, Compute<T>* scratch) {
  if constexpr (std::is_same_v<T, Compute<T>>) {
    return row;
  } else {
    for (int64_t i = 0; i < n; ++i) scratch[i] = static_cast<float>(row[i]);
    return scratch;
  }
}

/// Where to compute a row of results: the row itself or `scratch`; store_row() then finishes it.
template <class T>
Compute<T>* result_row(T* row, Compute<T>* scratch) {
  if constexpr (std::is_same_v<T, Compute<T>>) {
    return row;
  } else {
    return scratch;
  }
}

template <class T>
void store_row([[maybe_unused]] const Compute<T>* values, [[maybe_unused]] int64_t n, [[maybe_unused]] T* row) {
  if constexpr (!std::is_same_v<T, Compute<T>>) {
    for (int64_t i = 0; i < n; ++i) row[i] = T(values[i]);
  }
}

/// How many rows of n elements make a chunk of parallel work.
inline int64_t rows_per_chunk(int64_t n, int64_t elements = 16384) { return n < 1 ? elements : 1 + (elements - 1) / n; }

}  // namespace fovea::cpu
