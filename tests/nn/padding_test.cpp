#include "fovea/nn/padding.h"

#include <gmock/gmock.h>

#include "fovea/autograd/pointwise.h"
#include "support/device.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

using ::testing::ElementsAre;

TEST_P(OnEveryDevice, PaddingStandsBehindTheShorterOnes) {
  const Tensor a = tensor({1, 2, 3}).to(device()), b = tensor({4}).to(device()), none = zeros({0}).to(device());
  EXPECT_THAT(nn::pad_sequence({a, b, none}, -1).to_vector<float>(), ElementsAre(1, 2, 3, 4, -1, -1, -1, -1, -1));
  const Tensor wide = nn::pad_sequence({ones({1, 2}, {f32, device()}), ones({2, 2}, {f32, device()})});
  EXPECT_THAT(wide.to_vector<float>(), ElementsAre(1, 1, 0, 0, 1, 1, 1, 1));
  EXPECT_EQ(nn::pad_sequence({a.to(i32), b.to(i32)}).dtype(), i32);
}

TEST_P(OnEveryDevice, PaddingIsMasked) {
  const Tensor keep = nn::sequence_mask(from_vector({2, 0, 5}, device()), 3);
  EXPECT_EQ(keep.device(), device());
  EXPECT_THAT(keep.to_vector<int32_t>(), ElementsAre(1, 1, 0, 0, 0, 0, 1, 1, 1));
  EXPECT_EQ(nn::sequence_mask(from_vector({1, 2}, {1, 2}, device()), 0).shape(), (Shape{1, 2, 0}));
}

TEST(Padding, RefusesWhatDoesNotFit) {
  EXPECT_ERROR(nn::pad_sequence({}), "pad_sequence: no sequences given (padding_test.cpp:");
  EXPECT_ERROR(nn::pad_sequence({ones({2, 3}), ones({1, 4})}),
               "pad_sequence: shapes differ beside their first sizes: [2, 3] and [1, 4]");
  EXPECT_ERROR(nn::pad_sequence({ones({2, 3}), ones({2})}),
               "pad_sequence: shapes differ beside their first sizes: [2, 3] and [2]");
  EXPECT_ERROR(nn::pad_sequence({scalar(1)}), "pad_sequence: a sequence of shape [] has no time");
  EXPECT_ERROR(nn::pad_sequence({ones({2}), ones({3}).to(i32)}), "pad_sequence: dtypes differ: f32 and i32");
  EXPECT_ERROR(nn::sequence_mask(ones({2}), 3), "sequence_mask: lengths are f32, not i32");
  EXPECT_ERROR(nn::sequence_mask(from_vector({1}), -1), "sequence_mask: a time of -1");
}

}  // namespace
}  // namespace fovea::test
