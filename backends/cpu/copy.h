#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// Copies `source` into `out` of the same shape, any strides, converting between dtypes.
void copy(const View& source, const View& out);

/// A view and the buffer that holds it.
struct Packed {
  BufferRef buffer;
  View view;
};
/// A dense copy of `source` in `dtype`; axes that repeat (stride 0) before the last two are stored once.
Packed pack(const View& source, DType dtype);
/// A row-major copy.
Packed dense(const View& source);

}  // namespace fovea::cpu
