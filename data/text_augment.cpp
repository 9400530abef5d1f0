#include "fovea/data/text_augment.h"

#include <utility>

#include "fovea/backends/error.h"

namespace fovea::data {

TextAugmenter::TextAugmenter(TextAugmentOptions options, const EncodedTexts& texts, int32_t vocabulary, Caller caller)
    : options_(options), texts_(texts), vocabulary_(vocabulary) {
  const auto is_share = [](double x) { return x >= 0 && x < 1; };
  if (!is_share(options.drop) || !is_share(options.swap) || !is_share(options.noise)) {
    raise<ValueError>(caller, "TextAugmenter: drop {}, swap {} and noise {} must be from 0 to below 1", options.drop,
                      options.swap, options.noise);
  }
}

/// As often as it occurs in the texts.
int32_t TextAugmenter::any_token(RandomStream& random) const {
  const std::span<const int32_t> all = texts_.ids.all();
  while (true) {  // every text has a token
    const int32_t id = all[random.below(all.size())];
    if (id < vocabulary_) return id;
  }
}

std::vector<TextAugmenter::Token> TextAugmenter::change_tokens(std::span<const int32_t> tokens, int64_t first,
                                                               RandomStream& random) const {
  std::vector<Token> changed;
  for (size_t i = 0; i < tokens.size(); ++i) changed.push_back({tokens[i], first + static_cast<int64_t>(i)});
  if (options_.noise > 0) {
    for (Token& token : changed) {
      if (random.uniform() < options_.noise) token = {any_token(random), nowhere};
    }
  }
  if (options_.swap > 0) {
    for (size_t i = 0; i + 1 < changed.size(); ++i) {
      if (random.uniform() >= options_.swap) continue;
      std::swap(changed[i], changed[i + 1]);
      ++i;  // no token goes further than one place
    }
  }
  if (options_.drop > 0) {
    const Token spare = changed[random.below(changed.size())];
    std::erase_if(changed, [&](const Token&) { return random.uniform() < options_.drop; });
    if (changed.empty()) changed.push_back(spare);
  }
  return changed;
}

EncodedTexts TextAugmenter::change(std::span<const int64_t> examples, uint64_t seed) const {
  EncodedTexts out;
  std::vector<Token> changed;
  std::vector<int32_t> ids, lengths;
  for (const int64_t example : examples) {
    RandomStream random(seed, static_cast<uint64_t>(example));
    const std::span<const int32_t> all = texts_.ids[example];
    size_t tokens = 0;
    while (tokens < all.size() && all[tokens] < vocabulary_) ++tokens;

    const bool by_sentence = texts_.sentences.size() > 0;
    const auto whole = static_cast<int32_t>(tokens);
    size_t begin = 0;
    changed.clear();
    lengths.clear();
    for (const int32_t length : by_sentence ? texts_.sentences[example] : std::span(&whole, 1)) {
      const auto count = static_cast<size_t>(length);
      const std::vector<Token> sentence = change_tokens(all.subspan(begin, count), static_cast<int64_t>(begin), random);
      changed.insert(changed.end(), sentence.begin(), sentence.end());
      lengths.push_back(static_cast<int32_t>(sentence.size()));
      begin += count;
    }

    ids.clear();
    for (const Token& token : changed) ids.push_back(token.id);
    // Behind the tokens stand the pairs, if any: the i-th is of tokens i and i + 1.
    for (size_t i = 0; tokens < all.size() && i + 1 < changed.size(); ++i) {
      if (changed[i].place >= 0 && changed[i + 1].place == changed[i].place + 1) {
        ids.push_back(all[tokens + static_cast<size_t>(changed[i].place)]);
      }
    }
    out.ids.add(ids);
    if (by_sentence) out.sentences.add(lengths);
  }
  return out;
}

}  // namespace fovea::data
