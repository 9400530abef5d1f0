#pragma once

#include "fovea/backends/custom.h"
#include "fovea/tensor/tensor.h"

namespace fovea::raw {

/// Runs a kernel of one's own over `items` items, outside the graph. Inputs are handed over in row-major order without
/// gaps; the outputs must lie so (as `empty` makes them). All are on one device; dtypes are the caller's to check.
/// Throws DeviceError, ShapeError.
void run(const CustomKernel& kernel, std::initializer_list<const Tensor*> inputs,
         std::initializer_list<const Tensor*> outputs, int64_t items, std::initializer_list<double> numbers = {},
         Caller caller = {});

}  // namespace fovea::raw
