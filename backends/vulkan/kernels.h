#pragma once

#include "fovea/backends/vulkan/engine.h"

// Every kernel of the backend interface, recorded on an engine; each stands in the file of its family.
namespace fovea::vulkan {

void map(Engine& engine, const MapCall& call);
void matmul(Engine& engine, const MatmulCall& call);
void softmax(Engine& engine, const SoftmaxCall& call);
void softmax_backward(Engine& engine, const SoftmaxBackwardCall& call);
void layer_norm(Engine& engine, const LayerNormCall& call);
void layer_norm_backward(Engine& engine, const LayerNormBackwardCall& call);
void cross_entropy(Engine& engine, const CrossEntropyCall& call);
void cross_entropy_backward(Engine& engine, const CrossEntropyBackwardCall& call);
void gather(Engine& engine, const GatherCall& call);
void scatter_add(Engine& engine, const ScatterAddCall& call);
void bag(Engine& engine, const BagCall& call);
RowSparse bag_backward(Engine& engine, const BagBackwardCall& call);
void band(Engine& engine, const BandCall& call);
void scan(Engine& engine, const ScanCall& call);
void arg_reduce(Engine& engine, const ArgReduceCall& call);
void sort(Engine& engine, const SortCall& call);
void random(Engine& engine, const RandomCall& call);
void recurrent(Engine& engine, const RecurrentCalls& calls);
void recurrent_backward(Engine& engine, const RecurrentBackwardCalls& calls);
void convolution(Engine& engine, const ConvolutionCall& call);
void pool(Engine& engine, const PoolCall& call);
void pool_backward(Engine& engine, const PoolBackwardCall& call);
void attention(Engine& engine, const AttentionCall& call);
void attention_backward(Engine& engine, const AttentionBackwardCall& call);

}  // namespace fovea::vulkan
