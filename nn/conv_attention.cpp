#include "fovea/nn/conv_attention.h"

#include "fovea/autograd/attention.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/pooling.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"

namespace fovea::nn {
namespace {

int64_t reduced(const char* name, int64_t channels, int64_t reduction, Caller caller) {
  if (channels < 1 || reduction < 1 || channels < reduction) {
    raise<ValueError>(caller, "{}: {} channels cannot be reduced by {}", name, channels, reduction);
  }
  return channels / reduction;
}

void check_image(const char* name, const Tensor& x, int64_t channels, Caller caller) {
  if (x.rank() != 4 || x.shape()[1] != channels) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, {}, height, width]", name, x.shape(), channels);
  }
}

/// The width of a SelfAttention2d's queries, 0 standing for its default.
int64_t hidden_width(int64_t channels, int64_t hidden, Caller caller) {
  if (hidden < 0) raise<ValueError>(caller, "SelfAttention2d: a hidden width of {}", hidden);
  return hidden > 0 ? hidden : std::max<int64_t>(channels / 8, 1);
}

/// x [batch, channels, h, w] as rows [batch, h w, channels].
Tensor places(const Tensor& x) { return x.flatten(2).mT(); }

}  // namespace

SqueezeExcitation::SqueezeExcitation(int64_t channels, int64_t reduction, Caller caller)
    : fc1(channels, reduced("SqueezeExcitation", channels, reduction, caller), {}, caller),
      fc2(channels / reduction, channels, {}, caller) {
  add("fc1", fc1);
  add("fc2", fc2);
}

Attended SqueezeExcitation::forward_with_weights(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  check_image("SqueezeExcitation", x, fc2.weight.shape()[0], caller);
  Tensor weights = sigmoid(fc2.forward(relu(fc1.forward(mean(x, {2, 3}), caller)), caller));
  Tensor y = x * weights.unsqueeze(-1).unsqueeze(-1);
  return {std::move(y), std::move(weights)};
}

std::string SqueezeExcitation::description() const {
  return fmt::format("{}, {}", fc2.weight.shape()[0], fc1.weight.shape()[0]);
}

ChannelAttention::ChannelAttention(int64_t channels, int64_t reduction, Caller caller)
    : fc1(channels, reduced("ChannelAttention", channels, reduction, caller), {.bias = false}, caller),
      fc2(channels / reduction, channels, {.bias = false}, caller) {
  add("fc1", fc1);
  add("fc2", fc2);
}

Attended ChannelAttention::forward_with_weights(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  check_image("ChannelAttention", x, fc2.weight.shape()[0], caller);
  const Tensor hidden = relu(fc1.forward(mean(x, {2, 3}), caller)) + relu(fc1.forward(amax(x, {2, 3}), caller));
  Tensor weights = sigmoid(fc2.forward(hidden, caller));
  Tensor y = x * weights.unsqueeze(-1).unsqueeze(-1);
  return {std::move(y), std::move(weights)};
}

std::string ChannelAttention::description() const {
  return fmt::format("{}, {}", fc2.weight.shape()[0], fc1.weight.shape()[0]);
}

SpatialAttention::SpatialAttention(int64_t kernel, Caller caller)
    : conv(2, 1, kernel, {.padding = kernel / 2, .bias = false}, caller) {
  if (kernel % 2 == 0) raise<ValueError>(caller, "SpatialAttention: a kernel of {} is not odd", kernel);
  add("conv", conv);
}

Attended SpatialAttention::forward_with_weights(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() != 4) {
    raise<ShapeError>(caller, "SpatialAttention: input {} is not [batch, channels, height, width]", x.shape());
  }
  const Tensor seen = concat({mean(x, 1, true), amax(x, 1, true)}, 1);
  const Tensor weights = sigmoid(conv.forward(seen, caller));
  return {x * weights, weights.squeeze(1)};
}

CBAM::CBAM(int64_t channels, CBAMOptions options, Caller caller)
    : channel(channels, options.reduction, caller), spatial(options.kernel, caller) {
  add("channel", channel);
  add("spatial", spatial);
}

Tensor CBAM::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return spatial.forward(channel.forward(x, caller), caller);
}

Attended CBAM::forward_with_weights(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  const Attended which = channel.forward_with_weights(x, caller);
  const Attended where_to = spatial.forward_with_weights(which.read, caller);
  return {where_to.read, which.weights.unsqueeze(-1).unsqueeze(-1) * where_to.weights.unsqueeze(1)};
}

SelfAttention2d::SelfAttention2d(int64_t channels, int64_t hidden, Caller caller)
    : query(channels, hidden_width(channels, hidden, caller), 1, {.bias = false}, caller),
      key(channels, query.weight.shape()[0], 1, {.bias = false}, caller),
      value(channels, query.weight.shape()[0], 1, {.bias = false}, caller),
      out(query.weight.shape()[0], channels, 1, {.bias = false}, caller) {
  gamma = zeros({1});
  add("query", query);
  add("key", key);
  add("value", value);
  add("out", out);
  add("gamma", gamma);
}

Attended SelfAttention2d::attend(const Tensor& x, bool weights, Caller caller) const {
  const Scope scope(*this, caller);
  check_image("SelfAttention2d", x, out.weight.shape()[0], caller);
  const Tensor q = places(query.forward(x, caller)), k = places(key.forward(x, caller)),
               v = places(value.forward(x, caller));
  const Attended made = weights ? attention_with_weights(q, k, v, {.scale = 1}, caller)
                                : Attended{scaled_dot_product_attention(q, k, v, {.scale = 1}, caller), {}};
  const Tensor image = made.read.mT().reshape({x.shape()[0], v.shape()[2], x.shape()[2], x.shape()[3]});
  return {x + gamma * out.forward(image, caller), made.weights};
}

Tensor SelfAttention2d::forward(const Tensor& x, Caller caller) const { return attend(x, false, caller).read; }
Attended SelfAttention2d::forward_with_weights(const Tensor& x, Caller caller) const { return attend(x, true, caller); }

std::string SelfAttention2d::description() const {
  return fmt::format("{}, {}", out.weight.shape()[0], out.weight.shape()[1]);
}

AttentionGate::AttentionGate(int64_t channels, int64_t gate_channels, int64_t hidden, Caller caller)
    : feature(channels, hidden, 1, {.bias = false}, caller),
      gating(gate_channels, hidden, 1, {}, caller),
      psi(hidden, 1, 1, {}, caller) {
  add("feature", feature);
  add("gating", gating);
  add("psi", psi);
}

Attended AttentionGate::forward_with_weights(const Tensor& x, const Tensor& g, Caller caller) const {
  const Scope scope(*this, caller);
  check_image("AttentionGate", x, feature.weight.shape()[1], caller);
  check_image("AttentionGate", g, gating.weight.shape()[1], caller);
  const int64_t h = g.shape()[2], w = g.shape()[3];
  if (g.shape()[0] != x.shape()[0] || h < 1 || w < 1 || x.shape()[2] % h != 0 || x.shape()[3] % w != 0) {
    raise<ShapeError>(caller, "AttentionGate: the grid of {} is no multiple of that of {}", x.shape(), g.shape());
  }
  // Projected on its own grid, which is the smaller one.
  const Tensor gate = upsample_nearest(gating.forward(g, caller), {x.shape()[2] / h, x.shape()[3] / w}, caller);
  const Tensor weights = sigmoid(psi.forward(relu(feature.forward(x, caller) + gate), caller));
  return {x * weights, weights.squeeze(1)};
}

std::string AttentionGate::description() const {
  return fmt::format("{}, {}, {}", feature.weight.shape()[1], gating.weight.shape()[1], feature.weight.shape()[0]);
}

PatchAttentionPool::PatchAttentionPool(int64_t channels, int64_t dim, Extent patch, AttentionPoolOptions options,
                                       Caller caller)
    : projection(channels, dim, patch, {.stride = patch}, caller), pool(dim, options, caller) {
  add("projection", projection);
  add("pool", pool);
}

Attended PatchAttentionPool::forward_with_weights(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  const Tensor patches = projection.forward(x, caller);
  Attended out = pool.forward_with_weights(places(patches), {}, caller);
  return {std::move(out.read), out.weights.reshape({x.shape()[0], patches.shape()[2], patches.shape()[3]})};
}

}  // namespace fovea::nn
