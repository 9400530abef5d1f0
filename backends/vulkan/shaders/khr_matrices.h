#pragma once

#include <cstdint>
#include <span>
#include <vector>

// Debian's glslang knows cooperative matrices in NVIDIA's dialect alone (SPV_NV_cooperative_matrix); drivers of every
// vendor have the one of Khronos (SPV_KHR_cooperative_matrix). They differ in little: a KHR type also says what it is used
// for (a left factor, a right factor, sums), and loads and stores give a layout instead of a flag. A shader says the use of
// a type by its scope: a specialisation constant of id 240 for a left factor, 241 for a right one, 242 for sums.
namespace fovea::spirv {

enum class HalfType { f16, bf16 };

bool uses_nv_matrices(std::span<const uint32_t> module);

/// The module in Khronos' dialect, with factors of 16 bits of the given type. Throws std::runtime_error for a module that
/// does not keep to the above.
std::vector<uint32_t> to_khr_matrices(std::span<const uint32_t> module, HalfType half);

}  // namespace fovea::spirv
