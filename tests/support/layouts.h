#pragma once

#include <string>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea::test {

/// Shapes that find faults: scalars, sizes of 0 and 1, odd sizes, some larger than a kernel's tile.
const std::vector<Shape>& odd_shapes();

struct LaidOut {
  std::string name;
  Tensor tensor;
};

/// x as tensors of equal values that lie differently in memory: dense, behind an offset, with swapped axes, with gaps
/// between elements, backwards. All are copies, outside the graph.
std::vector<LaidOut> layouts_of(const Tensor& x);

/// Normal random numbers, the same for the same seed.
Tensor random(const Shape& shape, TensorOptions options = {}, uint64_t seed = 1);
/// Uniform in [low, high).
Tensor random_between(double low, double high, const Shape& shape, TensorOptions options = {}, uint64_t seed = 1);

}  // namespace fovea::test
