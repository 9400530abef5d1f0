#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// Runs an elementwise program (see MapCall) on views of host memory. An output may be the very view of an input; any
/// other overlap of an output with another view is not defined.
void map(const MapCall& call);

}  // namespace fovea::cpu
