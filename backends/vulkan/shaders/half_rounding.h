#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea::spirv {

/// The module with every conversion to f16 decorated to round to the nearest even: without that a driver may truncate,
/// and a number that is too large then becomes 65504 instead of infinity. Throws std::runtime_error for a conversion that
/// is not stored at once, which alone SPIR-V lets be decorated.
std::vector<uint32_t> round_halves_to_even(std::span<const uint32_t> module);

}  // namespace fovea::spirv
