#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "fovea/backends/backend.h"

/// Arrays for the tests of kernels: a view and its memory, filled and read element by element as doubles.
namespace fovea::test {

inline Backend& cpu() { return backend(Device::cpu()); }

struct Array {
  BufferRef buffer;
  View view;

  operator const View&() const { return view; }
  const View* operator&() const { return &view; }  // NOLINT: calls take views by pointer where they may be absent

  template <class T>
  T* data() const {
    return view.data<T>();
  }
  int64_t numel() const { return view.numel(); }

  /// Offset of row-major position i.
  int64_t offset(int64_t i) const {
    int64_t at = 0;
    for (int axis = view.rank() - 1; axis >= 0; --axis) {
      at += i % view.shape[axis] * view.strides[axis];
      i /= view.shape[axis];
    }
    return at;
  }
  double get(int64_t i) const {
    const int64_t at = offset(i);
    switch (view.dtype) {
      case DType::f32:
        return data<float>()[at];
      case DType::f64:
        return data<double>()[at];
      case DType::f16:
        return static_cast<float>(data<Half>()[at]);
      case DType::bf16:
        return static_cast<float>(data<BFloat16>()[at]);
      case DType::i32:
        return data<int32_t>()[at];
      case DType::boolean:
        return data<bool>()[at];
    }
    return 0;
  }
  void set(int64_t i, double value) const {
    const int64_t at = offset(i);
    switch (view.dtype) {
      case DType::f32:
        data<float>()[at] = static_cast<float>(value);
        break;
      case DType::f64:
        data<double>()[at] = value;
        break;
      case DType::f16:
        data<Half>()[at] = Half(static_cast<float>(value));
        break;
      case DType::bf16:
        data<BFloat16>()[at] = BFloat16(static_cast<float>(value));
        break;
      case DType::i32:
        data<int32_t>()[at] = static_cast<int32_t>(value);
        break;
      case DType::boolean:
        data<bool>()[at] = value != 0;
        break;
    }
  }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<size_t>(numel()));
    for (int64_t i = 0; i < numel(); ++i) all[static_cast<size_t>(i)] = get(i);
    return all;
  }
  std::vector<std::byte> bytes() const { return {buffer->host(), buffer->host() + buffer->bytes()}; }
};

inline Array make(const Shape& shape, DType dtype = f32) {
  Array array{cpu().allocate(static_cast<size_t>(shape.numel()) * size_of(dtype)), {}};
  array.view = {array.buffer.get(), 0, dtype, shape, contiguous_strides(shape)};
  if (array.buffer->bytes()) std::memset(array.buffer->host(), 0, array.buffer->bytes());
  return array;
}

inline Array full(const Shape& shape, double value, DType dtype = f32) {
  Array array = make(shape, dtype);
  for (int64_t i = 0; i < array.numel(); ++i) array.set(i, value);
  return array;
}

inline Array from(const Shape& shape, const std::vector<double>& values, DType dtype = f32) {
  Array array = make(shape, dtype);
  for (int64_t i = 0; i < array.numel(); ++i) array.set(i, values[static_cast<size_t>(i)]);
  return array;
}

/// Numbers between -1 and 1, different for every seed.
inline void fill(const Array& array, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 0xD1B54A32D192ED03u;
  for (int64_t i = 0; i < array.numel(); ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    array.set(i, static_cast<double>(static_cast<int64_t>(state >> 12) - (int64_t{1} << 51)) * 0x1p-51);
  }
}

inline Array noise(const Shape& shape, uint64_t seed, DType dtype = f32) {
  Array array = make(shape, dtype);
  fill(array, seed);
  return array;
}

/// How a view may lie in memory.
enum class Layout { dense, transposed, padded, stepped, reversed };
inline constexpr Layout layouts[] = {Layout::dense, Layout::transposed, Layout::padded, Layout::stepped,
                                     Layout::reversed};

/// Zeros of that shape in that layout: last two axes swapped, rows with gaps, every second element, or both last axes
/// running backwards.
inline Array make(const Shape& shape, DType dtype, Layout layout) {
  const int last = shape.rank() - 1;
  if (layout == Layout::dense || last < 1) return make(shape, dtype);
  Shape memory = shape;
  if (layout == Layout::transposed) std::swap(memory[last], memory[last - 1]);
  if (layout == Layout::padded) memory[last] += 3;
  if (layout == Layout::stepped) memory[last] *= 2;
  Array array = make(memory, dtype);
  array.view.shape = shape;
  Strides& strides = array.view.strides;
  if (layout == Layout::transposed) std::swap(strides[last], strides[last - 1]);
  if (layout == Layout::padded) array.view.offset = 2;
  if (layout == Layout::stepped) strides[last] *= 2;
  if (layout == Layout::reversed && shape.numel()) {
    for (int axis : {last - 1, last}) {
      array.view.offset += (shape[axis] - 1) * strides[axis];
      strides[axis] = -strides[axis];
    }
  }
  return array;
}

inline Array full(const Shape& shape, double value, DType dtype, Layout layout) {
  Array array = make(shape, dtype, layout);
  for (int64_t i = 0; i < array.numel(); ++i) array.set(i, value);
  return array;
}

inline Array noise(const Shape& shape, uint64_t seed, DType dtype, Layout layout) {
  Array array = make(shape, dtype, layout);
  fill(array, seed);
  return array;
}

/// Every element within `tolerance` of the other's, relative where that is greater than 1; NaN equals NaN.
inline void expect_close(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i]) && std::isnan(got[i])) continue;
    if (got[i] == want[i]) continue;
    ASSERT_LE(std::abs(got[i] - want[i]), tolerance * std::max(1.0, std::abs(want[i]))) << "at " << i;
  }
}

inline double tolerance(DType dtype) { return dtype == f64 ? 1e-12 : dtype == f32 ? 2e-5 : dtype == f16 ? 2e-3 : 2e-2; }

/// Runs `kernel` with 1, 2 and 5 threads and checks that the bytes of what it returns are the same.
inline void expect_same_bytes_on_any_threads(const std::function<std::vector<Array>()>& kernel) {
  const int before = num_threads();
  set_num_threads(1);
  std::vector<std::vector<std::byte>> want;
  for (const Array& array : kernel()) want.push_back(array.bytes());
  for (int threads : {2, 5}) {
    set_num_threads(threads);
    const std::vector<Array> got = kernel();
    for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].bytes(), want[i]) << "output " << i << ", " << threads;
  }
  set_num_threads(before);
}

}  // namespace fovea::test
