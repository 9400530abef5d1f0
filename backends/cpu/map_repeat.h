#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// Copies `source` to `out`, of one dtype, where the last axis repeats each element a few times and out has no gaps, as in
/// an image that is enlarged. Returns false for others.
bool copy_repeated(const View& source, const View& out);

}  // namespace fovea::cpu
