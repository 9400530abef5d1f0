#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea::data {

/// An array as the IDX format has it: MNIST's (LeCun, Cortes and Burges 1998).
struct IdxArray {
  enum class Type : uint8_t { u8 = 0x08, i8 = 0x09, i16 = 0x0b, i32 = 0x0c, f32 = 0x0d, f64 = 0x0e };

  Type type;
  std::vector<int64_t> shape;
  std::string bytes;  // of the elements in row-major order, numbers with the most significant byte first

  /// Whole numbers as i32, f32 and f64 as they are.
  Tensor to_tensor() const;
};

/// Reads a file, also gzip. Throws DataError with the byte where it is not that.
IdxArray load_idx(const std::string& path);
/// The same of bytes in memory; `name` stands for the file in errors.
IdxArray parse_idx(std::string_view bytes, std::string_view name);

}  // namespace fovea::data
