#include "fovea/backends/vulkan/views.h"

#include <cstdlib>
#include <limits>

#include "fovea/backends/vulkan/kernels.h"

namespace fovea::vulkan {
namespace {

const Program& copy_program() {
  static const Program program = program_of("copy", Op::input);
  return program;
}

const Program& fill_program() {
  static const Program program = program_of("fill", Op::scalar);
  return program;
}

DType compute_type(DType dtype) { return is_floating(dtype) ? f32 : i32; }

}  // namespace

void check_count(const char* kernel, int64_t count) {
  constexpr int64_t most = (int64_t{1} << 32) - (int64_t{1} << 25);
  if (count > most) raise_here<DeviceError>("{}: more than {} elements in one call", kernel, most);
}

int32_t stride(const char* kernel, int64_t value) {
  if (std::abs(value) > std::numeric_limits<int32_t>::max()) {
    raise_here<DeviceError>("{}: an operand spans more than 2^31 elements", kernel);
  }
  return static_cast<int32_t>(value);
}

void copy(Engine& engine, const View& from, const View& to) {
  const View *in = &from, *out = &to;
  map(engine, {copy_program(), compute_type(from.dtype), from.shape, {&in, 1}, {&out, 1}, {}});
}

void fill(Engine& engine, const View& to, double value) {
  const View* out = &to;
  map(engine, {fill_program(), compute_type(to.dtype), to.shape, {}, {&out, 1}, {&value, 1}});
}

void sum_rows(Engine& engine, const View& rows, const View& total) {
  const int64_t step = total.rank() == 1 ? total.strides[0] : 1;
  View row = total;
  row.shape = {1, rows.shape[1]};
  row.strides = {0, step};
  const View *in = &rows, *out = &row;
  map(engine, {copy_program(), f32, rows.shape, {&in, 1}, {&out, 1}, {}});
}

void DenseView::take(Engine& engine, const View& view) {
  present_ = true;
  if (view.is_contiguous()) {
    view_ = view;
  } else {
    view_ = engine.scratch(copy_, view.dtype, view.shape);
    copy(engine, view, view_);
  }
}

DenseView::DenseView(Engine& engine, const View& view) { take(engine, view); }

DenseView::DenseView(Engine& engine, const View* view) {
  if (view) take(engine, *view);
}

uint32_t type_constant(const char* kernel, const View& view) {
  if (view.dtype == DType::f64) raise_here<DeviceError>("{}: Vulkan devices have no f64; use f32", kernel);
  return static_cast<uint32_t>(view.dtype);
}

Rows::Rows(const Engine& engine, const View& view)
    : n(view.rank() ? view.shape.back() : 1), count(n ? view.numel() / n : 0), threads(engine.row_threads()) {
  // Few values, for each makes a shader: a software device takes long to compile one.
  if (engine.physical().is_cpu()) {
    lanes = n <= 64 ? 8 : threads;
  } else {
    lanes = n <= 16 ? 4 : n <= 64 ? 16 : n <= 256 ? 64 : threads;
  }
}

}  // namespace fovea::vulkan
