#pragma once

#include "fovea/backends/backend.h"

/// The kernels behind CpuBackend, one file a family; contracts stand with the calls in backend.h.
namespace fovea::cpu {

void matmul(const MatmulCall& call);
void softmax(const SoftmaxCall& call);
void softmax_backward(const SoftmaxBackwardCall& call);
void layer_norm(const LayerNormCall& call);
void layer_norm_backward(const LayerNormBackwardCall& call);
void cross_entropy(const CrossEntropyCall& call);
void cross_entropy_backward(const CrossEntropyBackwardCall& call);
void gather(const GatherCall& call);
void scatter_add(const ScatterAddCall& call);
void bag(const BagCall& call);
RowSparse bag_backward(const BagBackwardCall& call);
void band(const BandCall& call);
void scan(const ScanCall& call);
void arg_reduce(const ArgReduceCall& call);
void sort(const SortCall& call);
void random(const RandomCall& call);
void recurrent(const RecurrentCalls& calls);
void recurrent_backward(const RecurrentBackwardCalls& calls);
void convolution(const ConvolutionCall& call);
void pool(const PoolCall& call);
void pool_backward(const PoolBackwardCall& call);
void attention(const AttentionCall& call);
void attention_backward(const AttentionBackwardCall& call);

}  // namespace fovea::cpu
