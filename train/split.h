#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::train {

/// Which examples to hold out for validation: `share` of each class, rounded, but never a class's last example; chosen
/// by `seed`. Throws ValueError unless 0 <= share < 1.
std::vector<bool> hold_out(std::span<const int32_t> labels, double share, uint64_t seed, Caller caller = {});

}  // namespace fovea::train
