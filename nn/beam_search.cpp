#include "fovea/nn/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {
namespace {

/// A hypothesis under way.
struct Live {
  std::vector<int32_t> tokens;
  double sum = 0;  // of log-probabilities
  int32_t row = 0;
};

/// A token that may continue one.
struct Candidate {
  size_t live;
  int32_t token;
  double sum;
};

/// The search for continuations of one prompt.
class Search {
 public:
  Search(const BeamSearchOptions& options, int32_t row) : options_(options), live_{{{}, 0, row}} {}

  std::vector<Live>& live() { return live_; }

  /// `width` tokens and their log-probabilities for every row, the likeliest first.
  void advance(const std::vector<int32_t>& tokens, const std::vector<double>& logs, size_t width) {
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < live_.size(); ++i) {
      for (size_t j = 0; j < width; ++j) {
        const size_t at = static_cast<size_t>(live_[i].row) * width + j;
        if (!std::isinf(logs[at])) candidates.push_back({i, tokens[at], live_[i].sum + logs[at]});
      }
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.sum > b.sum; });
    const auto beams = static_cast<size_t>(options_.beams);
    std::vector<Live> next;
    for (size_t i = 0; i < candidates.size() && next.size() < beams; ++i) {
      const Candidate& each = candidates[i];
      Live longer{live_[each.live].tokens, each.sum, live_[each.live].row};
      longer.tokens.push_back(each.token);
      const bool ends = each.token == options_.end && options_.end >= 0;
      if (!ends) next.push_back(std::move(longer));
      if (ends && i < beams) finish(std::move(longer));  // what ends must be among the likeliest, too
    }
    live_ = std::move(next);
    if (ended_.size() == beams && !live_.empty() && score(live_[0]) <= ended_.back().score) live_.clear();
  }

  /// The best of what has ended and what has not.
  std::vector<Hypothesis> results() {
    for (Live& each : live_) finish(std::move(each));
    return std::move(ended_);
  }

 private:
  double score(const Live& live) const {
    return live.sum / std::pow(std::max<double>(static_cast<double>(live.tokens.size()), 1), options_.length_penalty);
  }
  void finish(Live live) {
    const double own = score(live);
    const auto place = std::find_if(ended_.begin(), ended_.end(), [&](const auto& other) { return other.score < own; });
    ended_.insert(place, {std::move(live.tokens), own});
    if (ended_.size() > static_cast<size_t>(options_.beams)) ended_.pop_back();
  }

  const BeamSearchOptions& options_;
  std::vector<Live> live_;         // the likeliest first
  std::vector<Hypothesis> ended_;  // the best first
};

void check(const Tensor& prompt, const BeamSearchOptions& o, Caller caller) {
  if (prompt.rank(caller) != 2) {
    raise<ShapeError>(caller, "beam_search: prompt {} is not [batch, time]", prompt.shape());
  }
  if (prompt.dtype() != i32) raise<DTypeError>(caller, "beam_search: the prompt is {}, not i32", prompt.dtype());
  if (o.beams < 1 || o.length < 0 || o.end < -1 || !std::isfinite(o.length_penalty)) {
    raise<ValueError>(caller,
                      "beam_search: {} beams, length {}, end {} and length_penalty {} are not >= 1, >= 0, >= -1 "
                      "and finite",
                      o.beams, o.length, o.end, o.length_penalty);
  }
}

/// The likeliest tokens of each row of the logits and their log-probabilities.
Sorted likeliest(const Tensor& logits, int64_t rows, const BeamSearchOptions& o, Caller caller) {
  if (logits.rank(caller) != 2 || logits.shape()[0] != rows || logits.shape()[1] == 0) {
    raise<ShapeError>(caller, "beam_search: logits {} of {} rows are not [rows, vocabulary]", logits.shape(), rows);
  }
  const int64_t vocabulary = logits.shape()[1];
  if (o.end >= vocabulary) {
    raise<ValueError>(caller, "beam_search: end {} is none of {} tokens", o.end, vocabulary);
  }
  // One more than the beams for each, since one may be the end.
  return topk(log_softmax(logits, -1, caller), o.beams < vocabulary ? o.beams + 1 : vocabulary, -1, caller);
}

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(const Tensor& prompt, const BeamStep& step, const BeamSearchOptions& o,
                                                 Caller caller) {
  check(prompt, o, caller);
  const NoGrad off;
  std::vector<Search> searches;
  for (int32_t row = 0; row < prompt.shape()[0]; ++row) searches.emplace_back(o, row);
  Beams beams{.tokens = prompt,
              .examples = arange(0, static_cast<double>(prompt.shape()[0]), 1, prompt.options()),
              .parents = {}};
  for (int64_t i = 0; i < o.length && beams.tokens.shape()[0] > 0; ++i) {
    const Sorted best = likeliest(step(beams), beams.tokens.shape()[0], o, caller);
    const auto tokens = best.indices.to_vector<int32_t>();
    const auto logs = best.values.to_vector<double>();
    if (std::any_of(logs.begin(), logs.end(), [](double x) { return std::isnan(x); })) {
      raise<ValueError>(caller, "beam_search: token {}: a row of the logits has NaN or no finite number in it", i);
    }
    std::vector<int32_t> parents, examples, last;
    for (size_t example = 0; example < searches.size(); ++example) {
      Search& search = searches[example];
      search.advance(tokens, logs, static_cast<size_t>(best.values.shape()[1]));
      for (Live& live : search.live()) {
        parents.push_back(std::exchange(live.row, static_cast<int32_t>(parents.size())));
        examples.push_back(static_cast<int32_t>(example));
        last.push_back(live.tokens.back());
      }
    }
    const auto rows = static_cast<int64_t>(parents.size());
    const Device device = prompt.device();
    beams.parents = from_vector(parents, device);
    beams.examples = from_vector(examples, device);
    beams.tokens = concat({index_select(beams.tokens, 0, beams.parents), from_vector(last, {rows, 1}, device)}, 1);
  }
  std::vector<std::vector<Hypothesis>> results;
  for (Search& search : searches) results.push_back(search.results());
  return results;
}

}  // namespace fovea::nn
