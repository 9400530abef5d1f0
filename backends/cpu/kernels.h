#pragma once

#include "fovea/backends/backend.h"

/// The kernels behind CpuBackend, one file a family; contracts stand with the calls in backend.h.
namespace fovea::cpu {

void matmul(const MatmulCall& call);
void softmax(const SoftmaxCall& call);
void softmax_backward(const SoftmaxBackwardCall& call);
void gather(const GatherCall& call);
void scatter_add(const ScatterAddCall& call);
void random(const RandomCall& call);

}  // namespace fovea::cpu
