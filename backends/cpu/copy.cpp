#include "fovea/backends/cpu/copy.h"

#include "fovea/backends/cpu/map.h"
#include "fovea/backends/factories.h"

namespace fovea::cpu {

void copy(const View& source, const View& out) {
  static const Program identity = program_of("copy", Op::input);
  const View *input = &source, *output = &out;
  const bool wide = source.dtype == DType::f64 && out.dtype == DType::f64;
  map({.program = identity,
       .compute = source.dtype == DType::i32 ? DType::i32
                  : wide                     ? DType::f64
                                             : DType::f32,
       .space = out.shape,
       .inputs = {&input, 1},
       .outputs = {&output, 1},
       .scalars = {}});
}

Packed dense(const View& source) {
  Packed packed{cpu_backend().allocate(static_cast<size_t>(source.numel()) * size_of(source.dtype)), {}};
  packed.view = {packed.buffer.get(), 0, source.dtype, source.shape, contiguous_strides(source.shape)};
  copy(source, packed.view);
  return packed;
}

Packed pack(const View& source, DType dtype) {
  View once = source;
  for (int axis = 0; axis + 2 < source.rank(); ++axis) {
    if (source.strides[axis] == 0) once.shape[axis] = 1;
  }
  Packed packed{cpu_backend().allocate(static_cast<size_t>(once.numel()) * size_of(dtype)), {}};
  packed.view = {packed.buffer.get(), 0, dtype, once.shape, contiguous_strides(once.shape)};
  copy(once, packed.view);
  for (int axis = 0; axis + 2 < source.rank(); ++axis) {
    if (source.strides[axis] == 0) packed.view.strides[axis] = 0;
  }
  packed.view.shape = source.shape;
  return packed;
}

}  // namespace fovea::cpu
