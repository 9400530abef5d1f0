#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

#include "fovea/backends/format.h"

namespace fovea {

/// Tensors have at most this many axes.
inline constexpr int max_rank = 8;

/// The sizes of a tensor, outermost first; {} is a scalar. A value of fixed size: no allocation.
class Shape {
 public:
  constexpr Shape() = default;
  // Only the sizes in use are copied: a shape is mostly of rank 1 to 4, and short copies are what small operations
  // cost.
  constexpr Shape(const Shape& other) : rank_(other.rank_) { copy(other); }
  constexpr Shape& operator=(const Shape& other) {
    rank_ = other.rank_;
    copy(other);
    return *this;
  }
  constexpr Shape(std::initializer_list<int64_t> sizes) { assign(sizes.begin(), sizes.size()); }
  constexpr explicit Shape(std::span<const int64_t> sizes) { assign(sizes.data(), sizes.size()); }

  constexpr int rank() const { return rank_; }
  constexpr int64_t operator[](int axis) const { return sizes_[static_cast<size_t>(axis)]; }
  constexpr int64_t& operator[](int axis) { return sizes_[static_cast<size_t>(axis)]; }
  constexpr const int64_t* begin() const { return sizes_.data(); }
  constexpr const int64_t* end() const { return sizes_.data() + rank_; }
  constexpr int64_t back() const { return sizes_[static_cast<size_t>(rank_ - 1)]; }
  constexpr operator std::span<const int64_t>() const { return {sizes_.data(), static_cast<size_t>(rank_)}; }

  constexpr void push_back(int64_t size) {
    if (rank_ == max_rank) too_many_axes();
    sizes_[static_cast<size_t>(rank_++)] = size;
  }
  constexpr void insert(int axis, int64_t size) {
    push_back(0);
    for (int i = rank_ - 1; i > axis; --i) (*this)[i] = (*this)[i - 1];
    (*this)[axis] = size;
  }
  constexpr void erase(int axis) {
    for (int i = axis; i + 1 < rank_; ++i) (*this)[i] = (*this)[i + 1];
    --rank_;
  }

  /// The product of the sizes: 1 for a scalar.
  constexpr int64_t numel() const {
    int64_t count = 1;
    for (int64_t size : *this) count *= size;
    return count;
  }

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }

 private:
  constexpr void assign(const int64_t* sizes, size_t count) {
    if (count > static_cast<size_t>(max_rank)) too_many_axes();
    for (size_t i = 0; i < count; ++i) sizes_[i] = sizes[i];
    rank_ = static_cast<int8_t>(count);
  }
  constexpr void copy(const Shape& other) {
    for (int i = 0; i < rank_; ++i) (*this)[i] = other[i];
  }
  [[noreturn]] static void too_many_axes();

  std::array<int64_t, max_rank> sizes_;  // as many as there are axes
  int8_t rank_ = 0;
};

/// Distances in elements between neighbours along each axis; 0 repeats a value, a negative one walks backwards.
using Strides = Shape;

/// Row-major strides.
Strides contiguous_strides(const Shape& shape);

/// "[32, 128]".
std::string to_string(const Shape& shape);

/// Where the i-th element in row-major order lies along each axis.
Shape unravel_index(int64_t i, const Shape& shape);
std::ostream& operator<<(std::ostream& stream, const Shape& shape);

}  // namespace fovea

template <>
struct fmt::formatter<fovea::Shape> : fovea::TextFormatter {
  auto format(const fovea::Shape& shape, fmt::format_context& context) const {
    return write(fovea::to_string(shape), context);
  }
};
