#pragma once

#include "fovea/backends/kernel_calls.h"

namespace fovea::cpu {

/// Whether tile_convolution() takes this and is the faster way.
bool takes_tile_convolution(const ConvolutionCall& call);
/// A convolution by steps of one, or one of its gradients, of f32 in three parts (split_product.h) or rounded to bf16, by
/// matrix tiles. False where an operand is infinite, NaN or, in three parts, so great that parts of products may overflow: then
/// results are undefined, and another way must compute them. An element's terms are added in an order that the shapes alone
/// decide.
bool tile_convolution(const ConvolutionCall& call);

}  // namespace fovea::cpu
