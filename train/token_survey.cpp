#include "fovea/train/token_survey.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "fovea/data/text_encoder.h"

namespace fovea::train {
namespace {

constexpr int64_t fewest_buckets = int64_t{1} << 12, most_buckets = int64_t{1} << 21;
constexpr int32_t most_tokens = 1 << 23;

}  // namespace

TokenSurvey::TokenSurvey(const data::Tokenizer& tokenizer, bool pairs)
    : tokenizer_(tokenizer), hit_(pairs ? static_cast<size_t>(most_buckets) : 0) {}

void TokenSurvey::add(std::string_view text) {
  tokenizer_.tokenize(text, tokens_);
  counts_.add(tokens_);
  while (counts_.size() > most_tokens) counts_.forget_below(++least_count_);
  if (hit_.empty()) return;
  for (size_t i = 1; i < tokens_.size(); ++i) {
    auto bit = hit_[static_cast<size_t>(data::bigram_bucket(tokens_[i - 1], tokens_[i], most_buckets))];
    hits_ += !bit;
    bit = true;
  }
}

int64_t TokenSurvey::bigram_buckets() const {
  const auto all = static_cast<double>(most_buckets);
  const double pairs = -all * std::log1p(-std::min(static_cast<double>(hits_), all - 1) / all);
  const auto wanted = static_cast<uint64_t>(std::min(1.5 * pairs, all));
  return std::clamp(static_cast<int64_t>(std::bit_ceil(wanted)), fewest_buckets, most_buckets);
}

}  // namespace fovea::train
