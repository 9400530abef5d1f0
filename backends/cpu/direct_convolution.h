#pragma once

#include "fovea/backends/kernel_calls.h"

namespace fovea::cpu {

/// Whether direct_convolution() computes this and is the faster way.
bool takes_direct_convolution(const ConvolutionCall& call);
/// A convolution of f32, or one of its gradients, with operands of f32 or rounded to bf16. Its products read the picture
/// itself, shifted for each tap of the kernel, instead of columns that were made of it.
void direct_convolution(const ConvolutionCall& call);

}  // namespace fovea::cpu
