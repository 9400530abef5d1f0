#pragma once

#include "fovea/autograd/losses.h"

// Losses beside those of fovea/autograd/losses.h, with PyTorch's formulas.
namespace fovea::nn {

/// max(0, margin - y (a - b)) for y in {-1, 1}: a ranks above b where y is 1.
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& y, double margin = 0,
                           Reduction reduction = Reduction::mean, Caller caller = {});

/// log(1 + e^(-y x)) for y in {-1, 1}.
Tensor soft_margin_loss(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean, Caller caller = {});

/// x where y is 1, max(0, margin - x) where y is -1.
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& y, double margin = 1, Reduction reduction = Reduction::mean,
                            Caller caller = {});

/// 1 - cos(a, b) where y is 1, max(0, cos(a, b) - margin) where y is -1: a, b [..., D], y [...].
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& y, double margin = 0,
                             Reduction reduction = Reduction::mean, Caller caller = {});

struct TripletOptions {
  double margin = 1;
  bool swap = false;  // the negative's distance is the lesser of those to anchor and positive (Balntas et al. 2016)
  Reduction reduction = Reduction::mean;
};
/// max(0, |anchor - positive| - |anchor - negative| + margin) over the last axis, 1e-6 added to every difference.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           TripletOptions options = {}, Caller caller = {});

/// sum over classes c but the target of max(0, margin - x[target] + x[c]) / classes: x [..., classes], targets i32
/// [...].
Tensor multi_margin_loss(const Tensor& x, const Tensor& targets, double margin = 1,
                         Reduction reduction = Reduction::mean, Caller caller = {});

struct GaussianNLLOptions {
  bool full = false;  // with the constant log(2 pi) / 2
  double eps = 1e-6;  // the least variance
  Reduction reduction = Reduction::mean;
};
/// (log v + (mean - y)^2 / v) / 2 with v = max(variance, eps), whose gradient is that of v, below eps too. Throws
/// ValueError where a variance is negative, outside captured steps; a device waits for that.
Tensor gaussian_nll_loss(const Tensor& mean, const Tensor& y, const Tensor& variance, GaussianNLLOptions options = {},
                         Caller caller = {});

struct PoissonNLLOptions {
  bool log_input = true;  // x is the logarithm of the rate
  bool full = false;      // with Stirling's approximation of log y! where y > 1
  double eps = 1e-8;      // added to a rate before its logarithm
  Reduction reduction = Reduction::mean;
};
/// e^x - y x, or x - y log(x + eps) from rates.
Tensor poisson_nll_loss(const Tensor& x, const Tensor& y, PoissonNLLOptions options = {}, Caller caller = {});

struct FocalOptions {
  double gamma = 2;                       // how far examples that are told well count for less; 0: cross_entropy
  Tensor weight = {};                     // [classes], how much each class counts, a constant; undefined: all alike
  int64_t ignore_index = -100;            // a target that takes no part
  Reduction reduction = Reduction::mean;  // the mean is over the weights of the targets that take part
};
/// -(1 - p)^gamma log p of each target's probability p (Lin et al. 2017): logits [..., classes], targets i32 [...].
Tensor focal_loss(const Tensor& logits, const Tensor& targets, FocalOptions options = {}, Caller caller = {});

struct SigmoidFocalOptions {
  double alpha = 0.25;  // what y = 1 counts, and 1 - alpha what y = 0 does; below 0: both alike
  double gamma = 2;
  Reduction reduction = Reduction::none;
};
/// -(1 - q)^gamma log q of each element by itself, where q is sigmoid(x) for y = 1 and 1 - sigmoid(x) for y = 0 (Lin et al.
/// 2017; torchvision's formula for y between them).
Tensor sigmoid_focal_loss(const Tensor& x, const Tensor& y, SigmoidFocalOptions options = {}, Caller caller = {});

struct DiceOptions {
  double smooth = 1;  // added above and below: what is neither there nor foretold costs nothing
  Reduction reduction = Reduction::mean;
};
/// 1 - (2 sum p y + smooth) / (sum p^2 + sum y^2 + smooth) of each class's mask, the sums over space (Milletari et al.
/// 2016): probabilities p and masks y [batch, classes, space...] -> [batch, classes], reduced.
Tensor dice_loss(const Tensor& p, const Tensor& y, DiceOptions options = {}, Caller caller = {});

}  // namespace fovea::nn
