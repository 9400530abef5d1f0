#pragma once

#include "fovea/tensor/tensor.h"

// Errors name the loss and the caller: ShapeError, DTypeError, DeviceError, IndexError for a target that is no class and
// ValueError for an option out of its range.
namespace fovea {

enum class Reduction : uint8_t { none, mean, sum };

struct CrossEntropyOptions {
  Tensor weight = {};  // [classes], how much each class counts, a constant; undefined: all alike
  double label_smoothing = 0;
  int64_t ignore_index = -100;            // a target that takes no part
  Reduction reduction = Reduction::mean;  // the mean is over the weights of the targets that take part
};
/// -log softmax(logits)[target]: logits [..., classes], targets i32 [...] (Szegedy et al. 2016 for the smoothing); or,
/// for targets of a floating dtype like the logits, which give each class a share, -sum of target log softmax(logits),
/// whose mean is over the rows.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options = {},
                     Caller caller = {});
/// -log_probabilities[target]: as cross_entropy, on what log_softmax gives.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& targets, const CrossEntropyOptions& options = {},
                Caller caller = {});

// In the losses of pairs x or y may broadcast to the other, but not both; those from probabilities or logits take equal
// shapes.

/// (x - y)^2.
Tensor mse_loss(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean, Caller caller = {});
/// |x - y|.
Tensor l1_loss(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean, Caller caller = {});
/// 0.5 d^2 where |d| <= delta, else delta (|d| - delta / 2), of d = x - y (Huber 1964).
Tensor huber_loss(const Tensor& x, const Tensor& y, double delta = 1, Reduction reduction = Reduction::mean,
                  Caller caller = {});
/// Huber's loss divided by its delta, beta; l1_loss where beta is 0.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& y, double beta = 1, Reduction reduction = Reduction::mean,
                      Caller caller = {});
/// -(y log sigmoid(x) + (1 - y) log(1 - sigmoid(x))), from logits x.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean,
                                        Caller caller = {});
struct BceWithLogitsOptions {
  Tensor weight = {};                     // how much each element counts, broadcast to x; undefined: all alike
  Tensor pos_weight = {};                 // how much its positive part counts: what y multiplies; the same
  Reduction reduction = Reduction::mean;  // the mean is over elements
};
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& y, const BceWithLogitsOptions& options,
                                        Caller caller = {});
/// -(y log p + (1 - y) log(1 - p)), from probabilities p; logarithms are held above -100.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& y, Reduction reduction = Reduction::mean,
                            Caller caller = {});
/// y (log y - x), 0 where y is 0, from log-probabilities x and probabilities y; the mean is over elements.
Tensor kl_div(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean, Caller caller = {});
/// max(0, 1 - x y) for y in {-1, 1}.
Tensor hinge_loss(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean, Caller caller = {});

}  // namespace fovea
