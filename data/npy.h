#pragma once

#include <string>
#include <string_view>

#include "fovea/tensor/tensor.h"

namespace fovea::data {

/// Reads an array that numpy.save wrote, also gzip: floating point as f32 or f64, whole numbers as i32, bool; rows or
/// columns first, either order of bytes. Throws DataError with the byte where it is not that, and where a whole number
/// does not fit i32.
Tensor load_npy(const std::string& path);
/// The same of bytes in memory; `name` stands for the file in errors.
Tensor parse_npy(std::string_view bytes, std::string_view name);

/// Writes an f32, f64, i32 or bool tensor as numpy.load reads it. Throws DataError where the file cannot be written,
/// DTypeError for another dtype.
void save_npy(const std::string& path, const Tensor& tensor, Caller caller = {});

}  // namespace fovea::data
