#include "fovea/data/mixup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace fovea::data {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> counted(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

TEST(Mixup, DrawsWhatBetaDoes) {
  const auto examples = counted(4000);
  double sum = 0;
  int even = 0;
  for (const Mix& mix : draw_mixes(examples, 1, 5)) {
    ASSERT_GE(mix.share, 0.5f);
    ASSERT_LE(mix.share, 1.0f);
    ASSERT_GE(mix.partner, 0);
    ASSERT_LT(mix.partner, 4000);
    sum += mix.share;
    even += mix.partner % 2 == 0;
  }
  EXPECT_NEAR(sum / 4000, 0.75, 0.01);  // Beta(1, 1) is uniform
  EXPECT_NEAR(even, 2000, 160);
  EXPECT_THROW(draw_mixes(examples, 0, 5), ValueError);
  EXPECT_THROW(draw_mixes(examples, 1.5, 5), ValueError);
}

TEST(Mixup, HasTheSpreadOfBetaHoweverSmallAlphaIs) {
  const auto examples = counted(4000);
  for (const double alpha : {0.3, 0.01, 1e-4, 1e-12, 1e-300, 5e-324}) {
    double sum = 0;
    for (const Mix& mix : draw_mixes(examples, alpha, 5)) {
      ASSERT_TRUE(mix.share >= 0.5f && mix.share <= 1) << alpha;
      sum += (mix.share - 0.5) * (mix.share - 0.5);
    }
    EXPECT_NEAR(sum / 4000, 1 / (4 * (2 * alpha + 1)), 0.006) << alpha;
  }
}

TEST(Mixup, SharesDependOnSeedAndExampleAlone) {
  const auto share = [](std::vector<int64_t> examples, uint64_t seed) {
    return draw_mixes(examples, 0.3, seed).back().share;
  };
  EXPECT_EQ(share({1, 2, 9}, 5), share({9}, 5));
  EXPECT_NE(share({9}, 5), share({9}, 6));
  EXPECT_NE(share({9}, 5), share({8}, 5));
}

TEST(Mixup, BlendsRowsAsTheyWereBeforeAndLabelsAlike) {
  const std::vector<Mix> mixes{{1, 0.75f}, {0, 0.5f}, {2, 0.6f}};
  EXPECT_THAT(blend_rows({0, 4, 8, 16, 1, 1}, mixes), ElementsAre(2, 7, 4, 10, 1, 1));
  const std::vector<int32_t> labels{2, 0, 1};
  EXPECT_THAT(blend_labels(labels, counted(3), mixes, 3).to_vector<float>(),
              ElementsAre(0.25f, 0, 0.75f, 0.5f, 0, 0.5f, 0, 1, 0));
  LabelSets sets;
  const std::vector<int32_t> numbers{sets.add({0, 2}), sets.add({}), sets.add({2, 1})};
  EXPECT_THAT(blend_labels(numbers, counted(3), mixes, 3, {}, &sets).to_vector<float>(),
              ElementsAre(0.75f, 0, 0.75f, 0.5f, 0, 0.5f, 0, 1, 1));
}

}  // namespace
}  // namespace fovea::data
