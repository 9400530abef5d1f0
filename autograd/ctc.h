#pragma once

#include "fovea/autograd/losses.h"

namespace fovea {

struct CTCOptions {
  int64_t blank = 0;
  Reduction reduction = Reduction::mean;  // the mean of each loss over its target's length (at least 1)
  bool zero_infinity = false;             // a target that does not fit its input costs 0, not infinity
};

/// Connectionist temporal classification (Graves et al. 2006): minus the logarithm of the probability of all paths over
/// the input that spell the target once repeats and blanks are taken out.
///   log_probabilities [time, batch, classes], from log_softmax
///   targets           i32 [batch, longest] (what lies past a target's length is not read), or all targets one after the
///                     other, [sum of target_lengths]
///   input_lengths, target_lengths  i32 [batch]
///   loss              [batch] with Reduction::none
/// Sums are taken over logarithms. Differentiable to any order; a target that does not fit passes no gradient. Targets
/// and lengths are read on the host. Throws ShapeError, ValueError, IndexError.
Tensor ctc_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CTCOptions& options = {}, Caller caller = {});

}  // namespace fovea
