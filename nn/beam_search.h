#pragma once

#include <functional>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea::nn {

struct BeamSearchOptions {
  int64_t beams = 4;          // hypotheses that are followed at once
  int64_t length = 100;       // the most tokens to add
  int32_t end = -1;           // the token that ends a hypothesis; -1: none, all are `length` long
  double length_penalty = 1;  // a score is the sum of the log-probabilities over count^length_penalty (Wu et al. 2016)
};

/// A continuation that was found.
struct Hypothesis {
  std::vector<int32_t> tokens;  // behind the prompt; the last is `end` where it came to one
  double score = 0;
};

/// The hypotheses under way, a row each.
struct Beams {
  Tensor tokens;    // i32 [rows, time]: prompt and what came so far
  Tensor examples;  // i32 [rows]: the prompt that each began with
  Tensor parents;   // i32 [rows]: the row of the call before that it continues; undefined in the first, a row a prompt
};
/// The logits [rows, vocabulary] of the token that comes next. With caches, whose rows must follow (see
/// KeyValueCache::reorder), the last of the tokens is all that is new:
///
///     [&](const Beams& beams) {
///       if (beams.parents.defined()) for (auto& cache : caches) cache.reorder(beams.parents);
///       const Tensor context = index_select(memory, 0, beams.examples);
///       return model.decode(beams.tokens.slice(1, -1), context, caches);
///     }
using BeamStep = std::function<Tensor(const Beams& beams)>;

/// The likeliest continuations that so many beams find of each row of prompt i32 [batch, time], at most `beams` for
/// each, the best first (Graves 2012; Sutskever et al. 2014). A row's search is over when as many have ended and none
/// under way scores better than the least of them. With one beam it takes the likeliest token each time. Without a
/// graph. Throws ShapeError, DTypeError, ValueError (an option out of its range, NaN in the logits).
std::vector<std::vector<Hypothesis>> beam_search(const Tensor& prompt, const BeamStep& step,
                                                 const BeamSearchOptions& options = {}, Caller caller = {});

}  // namespace fovea::nn
