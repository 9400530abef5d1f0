#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// Copies `source`, broadcast to `out`'s shape, into `out`; both of one dtype, any strides.
void copy_elements(const View& source, const View& out);

/// Writes the transpose of a square of 64 / sizeof(T) by 64 / sizeof(T) words, both sides with a row stride in words.
void transpose_square(const uint8_t* from, int64_t from_stride, uint8_t* to, int64_t to_stride);
void transpose_square(const uint16_t* from, int64_t from_stride, uint16_t* to, int64_t to_stride);
void transpose_square(const uint32_t* from, int64_t from_stride, uint32_t* to, int64_t to_stride);
void transpose_square(const uint64_t* from, int64_t from_stride, uint64_t* to, int64_t to_stride);

}  // namespace fovea::cpu
