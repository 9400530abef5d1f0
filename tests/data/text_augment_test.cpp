#include "fovea/data/text_augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace fovea::data {
namespace {

using Ids = std::vector<int32_t>;
using ::testing::Each;
using ::testing::Ge;

constexpr int32_t vocabulary = 100, pairs = 1000;  // pairs of tokens a and b have the id 1000 + 30 a + b

/// `count` texts 2, 3, 4, ... of `length` tokens, with their pairs where wanted.
EncodedTexts texts(int64_t count, int32_t length, bool with_pairs = false) {
  EncodedTexts out;
  for (int64_t i = 0; i < count; ++i) {
    Ids ids;
    for (int32_t k = 0; k < length; ++k) ids.push_back(2 + k);
    if (with_pairs) {
      for (int32_t k = 1; k < length; ++k) ids.push_back(pairs + 30 * (1 + k) + 2 + k);
    }
    out.ids.add(ids);
  }
  return out;
}

std::vector<int64_t> all_of(const EncodedTexts& texts) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < texts.ids.size(); ++i) all.push_back(i);
  return all;
}

EncodedTexts change(const EncodedTexts& from, TextAugmentOptions options, uint64_t seed = 7) {
  return TextAugmenter(options, from, vocabulary).change(all_of(from), seed);
}

Ids ids_of(const TokenIds& ids, int64_t i) { return {ids[i].begin(), ids[i].end()}; }

TEST(TextAugmenter, LeavesTextsAloneWithoutBeingAsked) {
  EXPECT_FALSE(TextAugmentOptions().any());
  const EncodedTexts from = texts(3, 9, true);
  const EncodedTexts to = change(from, {});
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(ids_of(to.ids, i), ids_of(from.ids, i));
}

TEST(TextAugmenter, DropsTheShareOfTheTokensInTheirOrder) {
  const EncodedTexts to = change(texts(2000, 20), {.drop = 0.25});
  double left = 0;
  for (int64_t i = 0; i < to.ids.size(); ++i) {
    EXPECT_TRUE(std::is_sorted(to.ids[i].begin(), to.ids[i].end()));
    left += static_cast<double>(to.ids.length(i));
  }
  EXPECT_NEAR(left / (2000 * 20), 0.75, 0.01);
}

TEST(TextAugmenter, LeavesATokenOfEveryText) {
  const EncodedTexts to = change(texts(500, 2), {.drop = 0.9});
  std::map<int32_t, int> alone;
  for (int64_t i = 0; i < to.ids.size(); ++i) {
    ASSERT_GE(to.ids.length(i), 1);
    if (to.ids.length(i) == 1) ++alone[to.ids[i][0]];
  }
  EXPECT_GT(alone[2], 100);
  EXPECT_GT(alone[3], 100);
}

TEST(TextAugmenter, SwapsNeighbours) {
  const EncodedTexts to = change(texts(2000, 20), {.swap = 0.2});
  double swaps = 0;
  for (int64_t i = 0; i < to.ids.size(); ++i) {
    Ids ids = ids_of(to.ids, i);
    for (int32_t k = 0; k < 20; ++k) {
      const int32_t moved = ids[static_cast<size_t>(k)] - (2 + k);
      EXPECT_LE(std::abs(moved), 1);
      swaps += moved == 1;
    }
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(ids, ids_of(texts(1, 20).ids, 0));
  }
  // After a swap the next token stands still: 19 places, of which a share s / (1 + s) is swapped.
  EXPECT_NEAR(swaps / (2000 * 19), 0.2 / 1.2, 0.01);
}

TEST(TextAugmenter, NoiseIsAsFrequentAsTheTokens) {
  EncodedTexts from;
  for (int i = 0; i < 3000; ++i)
    from.ids.add(i % 3 == 0 ? Ids{5, 5, 7, pairs + 5, pairs + 9} : Ids{5, 5, 5, pairs, pairs});
  const EncodedTexts to = change(from, {.noise = 0.5});
  std::map<int32_t, double> counts;
  for (int64_t i = 0; i < to.ids.size(); ++i) {
    if (i % 3 != 0) {
      for (const int32_t id : to.ids[i].first(3)) ++counts[id];
    }
  }
  // Half of 6000 tokens are drawn anew from 8 fives to each seven.
  EXPECT_NEAR(counts[7] / 6000, 0.5 / 9, 0.01);
  EXPECT_EQ(counts[5] + counts[7], 6000);
}

TEST(TextAugmenter, KeepsThePairsThatStillAreNeighbours) {
  const EncodedTexts from = texts(300, 12, true);
  for (const TextAugmentOptions options :
       {TextAugmentOptions{.drop = 0.2}, TextAugmentOptions{.swap = 0.2}, TextAugmentOptions{.noise = 0.2}}) {
    const EncodedTexts to = change(from, options);
    for (int64_t i = 0; i < to.ids.size(); ++i) {
      Ids tokens, told, neighbours;
      for (const int32_t id : to.ids[i]) (id < pairs ? tokens : told).push_back(id);
      for (size_t k = 1; k < tokens.size(); ++k) {
        if (tokens[k] == tokens[k - 1] + 1) neighbours.push_back(pairs + 30 * tokens[k - 1] + tokens[k]);
      }
      // By noise, two tokens may come to look like neighbours that are none.
      if (options.noise == 0) {
        EXPECT_EQ(told, neighbours);
      } else {
        std::sort(neighbours.begin(), neighbours.end());
        EXPECT_TRUE(std::includes(neighbours.begin(), neighbours.end(), told.begin(), told.end()));
        EXPECT_LT(told.size(), 12u);
      }
    }
  }
}

TEST(TextAugmenter, KeepsTokensInTheirSentences) {
  EncodedTexts from = texts(300, 12);
  for (int i = 0; i < 300; ++i) from.sentences.add(Ids{5, 1, 6});
  const EncodedTexts to = change(from, {.drop = 0.4, .swap = 0.3});
  ASSERT_EQ(to.sentences.size(), 300);
  const Ids first{2, 7, 8}, behind{7, 8, 14};
  for (int64_t i = 0; i < 300; ++i) {
    ASSERT_EQ(to.sentences.length(i), 3);
    size_t at = 0;
    for (size_t s = 0; s < 3; ++s) {
      const auto length = static_cast<size_t>(to.sentences[i][s]);
      ASSERT_GE(length, 1u);
      const Ids sentence(to.ids[i].begin() + static_cast<ptrdiff_t>(at),
                         to.ids[i].begin() + static_cast<ptrdiff_t>(at + length));
      EXPECT_THAT(sentence, Each(::testing::AllOf(Ge(first[s]), ::testing::Lt(behind[s]))));
      at += length;
    }
    EXPECT_EQ(at, to.ids[i].size());
  }
}

TEST(TextAugmenter, DependsOnSeedAndExampleAlone) {
  const EncodedTexts from = texts(20, 30);
  const TextAugmenter augmenter({.drop = 0.2, .swap = 0.2, .noise = 0.2}, from, vocabulary);
  const EncodedTexts all = augmenter.change(all_of(from), 3);
  const std::vector<int64_t> few{11, 4, 4};
  const EncodedTexts some = augmenter.change(few, 3);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(ids_of(some.ids, i), ids_of(all.ids, few[static_cast<size_t>(i)]));
  EXPECT_NE(ids_of(all.ids, 4), ids_of(all.ids, 11));
  EXPECT_NE(ids_of(augmenter.change(few, epoch_seed(3, 1)).ids, 0), ids_of(some.ids, 0));
}

TEST(TextAugmenter, RefusesWhatIsNoShare) {
  const EncodedTexts from = texts(1, 3);
  for (const TextAugmentOptions options :
       {TextAugmentOptions{.drop = 1}, TextAugmentOptions{.swap = -0.1}, TextAugmentOptions{.noise = 2}}) {
    EXPECT_THROW(TextAugmenter(options, from, vocabulary), ValueError);
  }
}

}  // namespace
}  // namespace fovea::data
