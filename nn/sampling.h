#pragma once

#include <vector>

#include "fovea/tensor/creation.h"

namespace fovea::nn {

/// How a token is drawn from the logits of all.
struct SamplingOptions {
  double temperature = 1;  // logits are divided by it: below 1 the likely grows likelier; 0 takes the likeliest
  int64_t top_k = 0;       // only the k likeliest (Fan et al. 2018); 0: all
  double top_p = 1;        // only the likeliest that together reach p (Holtzman et al. 2020); 1: all
};

/// A token for each row of logits [batch, vocabulary]; of equal logits the first counts as likelier. One number of
/// `generator` a row, so that the same seed gives the same tokens on every device. Throws ShapeError, ValueError (an
/// option out of its range, a row without a likeliest).
std::vector<int32_t> sample(const Tensor& logits, const SamplingOptions& options = {},
                            Generator& generator = default_generator(), Caller caller = {});

}  // namespace fovea::nn
