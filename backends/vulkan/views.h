#pragma once

#include "fovea/backends/vulkan/engine.h"

namespace fovea::vulkan {

/// A view whose elements lie in row-major order without gaps: the view itself, or a copy that this object keeps.
class DenseView {
 public:
  DenseView(Engine& engine, const View& view);
  /// Of an absent view: an absent one.
  DenseView(Engine& engine, const View* view);

  const View* get() const { return present_ ? &view_ : nullptr; }
  uint64_t address() const { return present_ ? address_of(view_) : 0; }

 private:
  void take(Engine& engine, const View& view);

  bool present_ = false;
  BufferRef copy_;
  View view_;
};

/// A size as shaders take it.
constexpr uint32_t word(int64_t value) { return static_cast<uint32_t>(value); }
/// Throws DeviceError where a kernel cannot have a thread for each of `count` elements: 32 bits count them, and in a grid
/// that is folded there may be some more.
void check_count(const char* kernel, int64_t count);
/// A stride as shaders take it. Throws DeviceError where it is none for them.
int32_t stride(const char* kernel, int64_t value);

/// Copies `from` into `to`, of the same shape and element type.
void copy(Engine& engine, const View& from, const View& to);

/// Sets every element to `value`.
void fill(Engine& engine, const View& to, double value);

/// Adds up, in order, the rows of a matrix [n, m] into `total`, of m elements in one row of whatever shape.
void sum_rows(Engine& engine, const View& rows, const View& total);

/// The element type as a kernel's constant. Throws DeviceError for f64, which Vulkan devices do not have.
uint32_t type_constant(const char* kernel, const View& view);

/// How rows of n elements are laid over workgroups; see rows.glsl.
struct Rows {
  Rows(const Engine& engine, const View& view);

  int64_t n;
  int64_t count;
  uint32_t threads;
  uint32_t lanes;
  uint64_t groups() const { return (static_cast<uint64_t>(count) + threads / lanes - 1) / (threads / lanes); }
};

}  // namespace fovea::vulkan
