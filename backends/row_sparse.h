#pragma once

#include <cstdint>

namespace fovea {

/// What a RowSparse's `rows` end with, and its `values` with zeros, where a device gives each index a row rather than
/// wait to learn how many are distinct.
inline constexpr int32_t absent_row = 0x7fffffff;

}  // namespace fovea
