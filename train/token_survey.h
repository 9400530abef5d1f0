#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "fovea/data/tokenizer.h"
#include "fovea/data/vocabulary.h"

namespace fovea::train {

/// What the tokens of texts are like: how often each occurs, and about how many different pairs of neighbours there are.
/// Its memory is bounded: of very many different tokens it forgets the rarest.
class TokenSurvey {
 public:
  /// Pairs are counted where `pairs` says so.
  TokenSurvey(const data::Tokenizer& tokenizer, bool pairs);

  void add(std::string_view text);

  const data::TokenCounts& counts() const { return counts_; }
  /// A power of two, at least one and a half as many as there are different pairs. How many there are is estimated by
  /// the share of a bitmap's bits that no pair hits (Whang et al. 1990, linear counting).
  int64_t bigram_buckets() const;

 private:
  const data::Tokenizer& tokenizer_;
  data::Tokens tokens_;
  data::TokenCounts counts_;
  int64_t least_count_ = 1;
  std::vector<bool> hit_;  // empty where pairs are not counted
  int64_t hits_ = 0;
};

}  // namespace fovea::train
