#include "fovea/data/random_stream.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace fovea::data {
namespace {

// The known answers that the authors of Philox publish.
TEST(Philox, GivesItsKnownAnswers) {
  EXPECT_EQ(philox(0, 0, 0), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(UINT64_MAX, UINT64_MAX, UINT64_MAX),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, DependsOnSeedAndStreamAlone) {
  const auto first = [](uint64_t seed, uint64_t stream) {
    RandomStream random(seed, stream);
    return std::vector<uint64_t>{random.bits(), random.bits(), random.bits()};
  };
  EXPECT_EQ(first(1, 2), first(1, 2));
  EXPECT_NE(first(1, 2), first(2, 2));
  EXPECT_NE(first(1, 2), first(1, 3));
  EXPECT_EQ(std::set<uint64_t>({epoch_seed(1, 0), epoch_seed(1, 1), epoch_seed(2, 0), epoch_seed(2, 1)}).size(), 4u);
}

TEST(RandomStream, DrawsEvenlyAndNormally) {
  RandomStream random(3, 4);
  const int count = 20000;
  std::vector<int> below(7, 0);
  double sum = 0, normal_sum = 0, normal_squares = 0;
  for (int i = 0; i < count; ++i) {
    ++below[random.below(7)];
    const double uniform = random.between(-2, 4);
    ASSERT_GE(uniform, -2);
    ASSERT_LT(uniform, 4);
    sum += uniform;
    const double normal = random.normal();
    normal_sum += normal;
    normal_squares += normal * normal;
  }
  for (const int hits : below) EXPECT_NEAR(hits, count / 7.0, 5 * std::sqrt(count / 7.0));
  EXPECT_NEAR(sum / count, 1, 0.06);
  EXPECT_NEAR(normal_sum / count, 0, 0.035);
  EXPECT_NEAR(normal_squares / count, 1, 0.05);
}

TEST(RandomStream, DrawsEvenlyBelowWhatIsNoPartOfTwoTo64) {
  RandomStream random(3, 4);
  std::vector<int> thirds(3, 0);
  for (int i = 0; i < 3000; ++i) ++thirds[random.below(uint64_t{3} << 62) >> 62];
  for (const int hits : thirds) EXPECT_NEAR(hits, 1000, 130);
}

}  // namespace
}  // namespace fovea::data
