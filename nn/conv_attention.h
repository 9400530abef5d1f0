#pragma once

#include "fovea/nn/attention_pool.h"
#include "fovea/nn/conv.h"

// Attention over images [batch, channels, height, width]. forward_with_weights gives the weights beside the result.
namespace fovea::nn {

/// Channels weighted by what the whole image holds: x * sigmoid(W_2 relu(W_1 mean(x) + b_1) + b_2), the mean over height
/// and width (Hu et al. 2018, "Squeeze-and-excitation").
///   x, y     [batch, channels, height, width]
///   fc1      Linear(channels, channels / reduction), fc2 Linear(channels / reduction, channels)
///   weights  [batch, channels]
class SqueezeExcitation : public Module {
 public:
  explicit SqueezeExcitation(int64_t channels, int64_t reduction = 16, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const { return forward_with_weights(x, caller).read; }
  Attended forward_with_weights(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

  Linear fc1, fc2;
};

/// Channels weighted by mean and maximum: x * sigmoid(W_2 relu(W_1 mean(x)) + W_2 relu(W_1 max(x))) (Woo et al. 2018,
/// "CBAM").
///   x, y     [batch, channels, height, width]
///   fc1      Linear(channels, channels / reduction), fc2 Linear(channels / reduction, channels), both without biases
///   weights  [batch, channels]
class ChannelAttention : public Module {
 public:
  explicit ChannelAttention(int64_t channels, int64_t reduction = 16, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const { return forward_with_weights(x, caller).read; }
  Attended forward_with_weights(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

  Linear fc1, fc2;
};

/// Places weighted by what all channels hold there: x * sigmoid(conv([mean(x), max(x)])), mean and maximum over the
/// channels (Woo et al. 2018, "CBAM").
///   x, y     [batch, channels, height, width]
///   conv     Conv2d(2, 1, kernel) without a bias; the kernel's size is odd
///   weights  [batch, height, width]
class SpatialAttention : public Module {
 public:
  explicit SpatialAttention(int64_t kernel = 7, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const { return forward_with_weights(x, caller).read; }
  Attended forward_with_weights(const Tensor& x, Caller caller = {}) const;

  Conv2d conv;
};

struct CBAMOptions {
  int64_t reduction = 16;
  int64_t kernel = 7;
};

/// ChannelAttention, then SpatialAttention (Woo et al. 2018).
///   x, y     [batch, channels, height, width]
///   weights  [batch, channels, height, width]: the products of both
class CBAM : public Module {
 public:
  explicit CBAM(int64_t channels, CBAMOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  Attended forward_with_weights(const Tensor& x, Caller caller = {}) const;

  ChannelAttention channel;
  SpatialAttention spatial;
};

/// Every place of a feature map reads every other: x + gamma W_o sum_i b_ji h(x_i), b_j = softmax_i(f(x_i) . g(x_j)),
/// with f, g, h linear over the channels (Zhang et al. 2019, "SAGAN"). The weights are held only where asked for.
///   x, y     [batch, channels, height, width]
///   key (f), query (g), value (h)  Conv2d(channels, hidden, 1) without biases; out (W_o) Conv2d(hidden, channels, 1)
///   gamma    [1], zero: at first it changes nothing
///   weights  [batch, height width, height width], a row per reading place
class SelfAttention2d : public Module {
 public:
  /// `hidden` 0: an eighth of the channels, at least 1.
  explicit SelfAttention2d(int64_t channels, int64_t hidden = 0, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  Attended forward_with_weights(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

  Conv2d query, key, value, out;
  Tensor gamma;

 private:
  Attended attend(const Tensor& x, bool weights, Caller caller) const;
};

/// The gate of an attention U-Net: features x * a with a = sigmoid(psi . relu(W_x x + W_g g + b) + b_psi) at each
/// place; the gating features g come from a coarser grid and are repeated to fit (Oktay et al. 2018).
///   x, y     [batch, channels, height, width]; g [batch, gate_channels, height / n, width / m]
///   feature  Conv2d(channels, hidden, 1) without a bias; gating Conv2d(gate_channels, hidden, 1); psi Conv2d(hidden,
///            1, 1)
///   weights  [batch, height, width]
class AttentionGate : public Module {
 public:
  AttentionGate(int64_t channels, int64_t gate_channels, int64_t hidden, Caller caller = {});
  Tensor forward(const Tensor& x, const Tensor& g, Caller caller = {}) const {
    return forward_with_weights(x, g, caller).read;
  }
  Attended forward_with_weights(const Tensor& x, const Tensor& g, Caller caller = {}) const;
  std::string description() const override;

  Conv2d feature, gating, psi;
};

/// An image read as one vector: cut into patches, each projected (Dosovitskiy et al. 2021), which an AttentionPool reads.
///   x           [batch, channels, height, width]; what does not fill a patch is left out
///   projection  Conv2d(channels, dim, patch, stride patch); pool AttentionPool(dim)
///   y           [batch, dim], weights [batch, height / patch, width / patch]
class PatchAttentionPool : public Module {
 public:
  PatchAttentionPool(int64_t channels, int64_t dim, Extent patch, AttentionPoolOptions options = {},
                     Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const { return forward_with_weights(x, caller).read; }
  Attended forward_with_weights(const Tensor& x, Caller caller = {}) const;

  Conv2d projection;
  AttentionPool pool;
};

}  // namespace fovea::nn
