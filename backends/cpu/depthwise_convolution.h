#pragma once

#include "fovea/backends/kernel_calls.h"

namespace fovea::cpu {

/// Whether every group of a convolution has one input channel.
bool is_depthwise(const ConvolutionCall& call);
/// Such a convolution of f32 or f64, or one of its gradients.
void depthwise_convolution(const ConvolutionCall& call);

}  // namespace fovea::cpu
