#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// MapCall with at least one output that is smaller than the space. The order in which an output's values are folded
/// depends on the space and on the axes that the output folds, on nothing else: not on the inputs, their strides or the
/// other outputs, nor on the number of threads or the width of vectors.
template <class T>
void map_reduce(const MapCall& call);

extern template void map_reduce<float>(const MapCall& call);
extern template void map_reduce<double>(const MapCall& call);
extern template void map_reduce<int32_t>(const MapCall& call);

}  // namespace fovea::cpu
