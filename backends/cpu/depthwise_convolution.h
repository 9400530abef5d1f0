#pragma once

#include "fovea/backends/kernel_calls.h"

namespace fovea::cpu {

/// A convolution of f32 or f64 whose groups have one input channel each, or one of its gradients.
void depthwise_convolution(const ConvolutionCall& call);

}  // namespace fovea::cpu
