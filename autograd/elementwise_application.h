#pragma once

#include <span>

#include "fovea/autograd/elementwise_kernel.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

/// One application of an elementwise function: what to run on what, and the shapes of the results where they are not the
/// space's.
struct ElementwiseApplication {
  const std::shared_ptr<const ElementwiseKernel>& kernel;
  std::span<const Tensor* const> inputs;
  std::span<const double> scalars;
  const Shape& space;
  const Shape* output_shapes = nullptr;  // one per output; null: all have the space's
  const Shape* dropped = nullptr;        // the only output's shape without the axes that it was folded over
  Caller caller;
};

/// Runs it and records what its derivatives need. Throws DTypeError, DeviceError, ValueError.
void apply(const ElementwiseApplication& application, std::span<Tensor> results);

/// Throws ValueError for a number that i32 and bool do not hold: 0.5 would silently become 0.
void check_numbers(const char* name, DType dtype, std::span<const double> scalars, Caller caller);

}  // namespace fovea
