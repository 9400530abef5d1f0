#pragma once

#include <cstdint>
#include <span>

#include "fovea/data/random_stream.h"
#include "fovea/data/sentences.h"

namespace fovea::data {

/// How training texts are changed, each time anew: the share of the tokens that it happens to; 0 for not at all.
struct TextAugmentOptions {
  double drop = 0;   // are left out (Iyyer et al. 2015, "word dropout"); one of each sentence stays
  double swap = 0;   // change places with their right neighbours
  double noise = 0;  // become another token, each as often as it occurs (Xie et al. 2017, "unigram noising")

  bool any() const { return drop > 0 || swap > 0 || noise > 0; }
};

/// Changes texts of one set. The ids of pairs (see TextEncoder) that were neighbours and still are stay, the others go.
/// Tokens keep to their sentences.
class TextAugmenter {
 public:
  /// `texts` must outlive this; ids from `vocabulary` on are those of pairs. Throws ValueError where a share is not
  /// from 0 to below 1.
  TextAugmenter(TextAugmentOptions options, const EncodedTexts& texts, int32_t vocabulary, Caller caller = {});

  /// Some of the texts, changed by random numbers that depend on `seed` and the example alone.
  EncodedTexts change(std::span<const int64_t> examples, uint64_t seed) const;

 private:
  /// A token of a changed text and where it stood.
  struct Token {
    int32_t id;
    int64_t place;  // `nowhere` of noise
  };
  static constexpr int64_t nowhere = -2;

  std::vector<Token> change_tokens(std::span<const int32_t> tokens, int64_t first, RandomStream& random) const;
  int32_t any_token(RandomStream& random) const;

  TextAugmentOptions options_;
  const EncodedTexts& texts_;
  int32_t vocabulary_;
};

}  // namespace fovea::data
