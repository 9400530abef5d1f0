#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// Runs a call that is one logical operation, comparison or fill of bools byte by byte, without widening them to i32.
/// Returns false for others and for views whose rows have gaps or are short.
bool map_truths(const MapCall& call);

}  // namespace fovea::cpu
