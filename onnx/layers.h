#pragma once

#include "fovea/nn/activations.h"
#include "fovea/nn/adaptive.h"
#include "fovea/nn/attention_pool.h"
#include "fovea/nn/batch_norm.h"
#include "fovea/nn/causal_lm.h"
#include "fovea/nn/containers.h"
#include "fovea/nn/conv.h"
#include "fovea/nn/conv_attention.h"
#include "fovea/nn/dropout.h"
#include "fovea/nn/early_exit.h"
#include "fovea/nn/embedding.h"
#include "fovea/nn/fusion.h"
#include "fovea/nn/hierarchical_attention.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/location_attention.h"
#include "fovea/nn/multihead_attention.h"
#include "fovea/nn/multihead_pool.h"
#include "fovea/nn/normalization.h"
#include "fovea/nn/number_embedding.h"
#include "fovea/nn/pooling.h"
#include "fovea/nn/positions.h"
#include "fovea/nn/recurrent.h"
#include "fovea/nn/recurrent_cell.h"
#include "fovea/nn/sequence_attention.h"
#include "fovea/nn/transformer.h"
#include "fovea/onnx/operations.h"

// Layers as nodes of a graph: what their forward computes in evaluation mode, of values of the same shapes. What a layer
// cannot be written as throws ValueError that names it and the caller. Indices and lengths are i64, what may be read
// (`keep`) bool.
namespace fovea::onnx {

Value emit(const nn::Linear& layer, const Value& x, Caller caller = {});
Value emit(const nn::Bilinear& layer, const Value& a, const Value& b, Caller caller = {});
Value emit(const nn::Embedding& layer, const Value& index, Caller caller = {});
/// Bags side by side: index [batch, time], of which `keep` [batch, time] says what belongs to the bag.
Value emit(const nn::EmbeddingBag& layer, const Value& index, const Value& keep, Caller caller = {});
Value emit(const nn::NumberEmbedding& layer, const Value& x, const Value& missing, Caller caller = {});

Value emit(const nn::Conv1d& layer, const Value& x, Caller caller = {});
Value emit(const nn::Conv2d& layer, const Value& x, Caller caller = {});
Value emit(const nn::Conv3d& layer, const Value& x, Caller caller = {});
Value emit(const nn::ConvTranspose1d& layer, const Value& x, Caller caller = {});
Value emit(const nn::ConvTranspose2d& layer, const Value& x, Caller caller = {});
Value emit(const nn::ConvTranspose3d& layer, const Value& x, Caller caller = {});
/// x with its batch axis.
Value emit(const nn::Upsample& layer, const Value& x, Caller caller = {});
Value emit(const nn::PixelShuffle& layer, const Value& x, Caller caller = {});
/// x with its batch axis, as of all pools.
Value emit(const nn::MaxPool1d& layer, const Value& x, Caller caller = {});
Value emit(const nn::MaxPool2d& layer, const Value& x, Caller caller = {});
Value emit(const nn::MaxPool3d& layer, const Value& x, Caller caller = {});
Value emit(const nn::AvgPool1d& layer, const Value& x, Caller caller = {});
Value emit(const nn::AvgPool2d& layer, const Value& x, Caller caller = {});
Value emit(const nn::AvgPool3d& layer, const Value& x, Caller caller = {});
/// Of one part along each axis: how others are cut hangs on sizes that a graph leaves open.
Value emit(const nn::AdaptiveAvgPool1d& layer, const Value& x, Caller caller = {});
Value emit(const nn::AdaptiveAvgPool2d& layer, const Value& x, Caller caller = {});
Value emit(const nn::AdaptiveAvgPool3d& layer, const Value& x, Caller caller = {});
/// Of all axes behind the batch's.
Value emit(const nn::Flatten& layer, const Value& x, Caller caller = {});
/// x itself.
Value emit(const nn::DropoutLayer& layer, const Value& x, Caller caller = {});
Value emit(const nn::Identity& layer, const Value& x, Caller caller = {});
Value emit(const nn::BatchNorm& layer, const Value& x, Caller caller = {});
/// x with its batch axis.
Value emit(const nn::InstanceNorm& layer, const Value& x, Caller caller = {});
Value emit(const nn::GroupNorm& layer, const Value& x, Caller caller = {});
Value emit(const nn::LayerNorm& layer, const Value& x, Caller caller = {});
Value emit(const nn::RMSNorm& layer, const Value& x, Caller caller = {});
Value emit(const nn::GLU& layer, const Value& x, Caller caller = {});
Value emit(const nn::PReLU& layer, const Value& x, Caller caller = {});
Value emit(const nn::SwiGLU& layer, const Value& x, Caller caller = {});

/// What a module of one's own derives from, too, so that a Sequential that holds it can be written down.
class Exportable {
 public:
  virtual ~Exportable() = default;
  virtual Value emit(const Value& x) const = 0;
};
/// Layers of the types that have an emitter of one value here or are Exportable (attention reads itself, a pool gives what it
/// read), functions of fovea/autograd/pointwise.h and Elementwise ones. Throws ValueError for what is none of these.
Value emit(const nn::Sequential& layer, const Value& x, Caller caller = {});

/// output [batch, time, directions * hidden], past a sequence's end 0; h [directions, batch, hidden] of the last layer.
struct Recurrent {
  Value output, h;
};
Recurrent emit(const nn::RecurrentLayer& layer, const Value& x, const Value& lengths, Caller caller = {});
/// One step from h (and c) [batch, hidden]: the next.
Value emit(const nn::RNNCell& cell, const Value& x, const Value& h, Caller caller = {});
Value emit(const nn::GRUCell& cell, const Value& x, const Value& h, Caller caller = {});
struct CellState {
  Value h, c;
};
CellState emit(const nn::LSTMCell& cell, const Value& x, const CellState& state, Caller caller = {});

Value emit(const nn::LearnedPositions& layer, const Value& x, Caller caller = {});
Value emit(const nn::SinusoidalPositions& layer, const Value& x, Caller caller = {});
/// f32 [heads, queries, keys] for sizes i64 [1].
Value emit(const nn::RelativePositionBias& layer, const Value& queries, const Value& keys, Caller caller = {});
Value emit(const nn::AdaptiveSpan& layer, const Value& queries, const Value& keys, Caller caller = {});
/// As nn::sinusoidal_positions(time, dim), time i64 [1].
Value sinusoidal_positions(const Argument& time, int64_t dim, double base = 10000);
/// As nn::rotary of x [..., time, d].
Value rotary(const Argument& x, int64_t d, double base = 10000);

/// As nn::attention_weights: scores [..., time], keep broadcast to them or none.
Value attention_weights(const Value& scores, const Value& keep, nn::Weights weights);
/// What was read, and by which weights.
struct Attended {
  Value read, weights;
};
Attended emit(const nn::AttentionPool& layer, const Value& x, const Value& keep = {}, Caller caller = {});
Value emit(const nn::MultiheadPool& layer, const Value& x, const Value& keep = {}, Caller caller = {});
/// keep [batch, time] of the keys, or [batch, queries, time].
Attended emit(const nn::SequenceAttention& layer, const Value& query, const Value& keys, const Value& values,
              const Value& keep = {}, Caller caller = {});
Value emit(const nn::AdaptiveTemperature& layer, const Value& query, Caller caller = {});
/// What it reads and what each row cost.
struct Pondered {
  Value output, ponder;
};
/// All `max_steps` steps, of which a row that has stopped takes nothing more.
Pondered emit(const nn::AdaptiveDepth& layer, const Value& x, const std::function<Value(const Value&, int64_t)>& step,
              Caller caller = {});
/// A step of a decoder; `previous` is none at the first.
Attended emit(const nn::LocationAwareAttention& layer, const Value& s, const Value& h, const Value& previous,
              const Value& keep = {}, Caller caller = {});
/// lengths [batch, sentences].
Value emit(const nn::HierarchicalAttention& layer, const Value& x, const Value& lengths, Caller caller = {});

/// What nn::AttendOptions say, which hold for a call and not for a layer: they must be said again.
struct AttendOptions {
  bool causal = false;
  Value keep = {};  // bool [batch, keys]
  Value bias = {};  // f32, broadcast to [batch, heads, queries, keys]
};
Value emit(const nn::MultiheadAttention& layer, const Value& query, const Value& key, const Value& value,
           const AttendOptions& options = {}, Caller caller = {});
Value emit(const nn::TransformerEncoderLayer& layer, const Value& x, const AttendOptions& options = {},
           Caller caller = {});
Value emit(const nn::TransformerEncoder& layer, const Value& x, const AttendOptions& options = {}, Caller caller = {});
/// What nn::DecodeOptions say; keep [batch, time] of x, memory_keep [batch, memory time].
struct DecodeOptions {
  bool causal = true;
  Value keep = {};
  Value memory_keep = {};
};
Value emit(const nn::TransformerDecoderLayer& layer, const Value& x, const Value& memory,
           const DecodeOptions& options = {}, Caller caller = {});
Value emit(const nn::TransformerDecoder& layer, const Value& x, const Value& memory, const DecodeOptions& options = {},
           Caller caller = {});
/// tokens i64 [batch, time], time at most the context -> logits [batch, time, vocabulary].
Value emit(const nn::CausalLM& layer, const Value& tokens, Caller caller = {});

/// Logits of each exit.
std::vector<Value> emit(const nn::EarlyExitEncoder& layer, const Value& x, const Value& keep = {}, Caller caller = {});

struct Fused {
  Value a, b;
};
Fused emit(const nn::CrossModalAttention& layer, const Value& a, const Value& b, const Value& keep_a = {},
           const Value& keep_b = {}, Caller caller = {});
Value emit(const nn::GatedFusion& layer, const Value& a, const Value& b, Caller caller = {});

Value emit(const nn::SqueezeExcitation& layer, const Value& x, Caller caller = {});
Value emit(const nn::ChannelAttention& layer, const Value& x, Caller caller = {});
Value emit(const nn::SpatialAttention& layer, const Value& x, Caller caller = {});
Value emit(const nn::CBAM& layer, const Value& x, Caller caller = {});
Value emit(const nn::SelfAttention2d& layer, const Value& x, Caller caller = {});
Value emit(const nn::AttentionGate& layer, const Value& x, const Value& g, Caller caller = {});
Attended emit(const nn::PatchAttentionPool& layer, const Value& x, Caller caller = {});

}  // namespace fovea::onnx
