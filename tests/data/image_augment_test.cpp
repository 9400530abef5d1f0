#include "fovea/data/image_augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "fovea/data/image_batch.h"

namespace fovea::data {
namespace {

using ::testing::ElementsAre;

constexpr ImageForm form{1, 9, 9};

/// A bright pixel on black.
std::vector<uint8_t> point(int64_t row, int64_t column) {
  std::vector<uint8_t> pixels(81, 0);
  pixels[static_cast<size_t>(row * 9 + column)] = 255;
  return pixels;
}

std::vector<float> augmented(const std::vector<uint8_t>& from, const ImageAugmentOptions& options, uint64_t seed,
                             int64_t example = 0) {
  std::vector<float> to(from.size(), -1.0f);
  augment_image(from, to, form, options, seed, example);
  return to;
}

/// The middle of a picture's light.
std::pair<double, double> centre(const std::vector<float>& picture) {
  double sum = 0, x = 0, y = 0;
  for (size_t i = 0; i < picture.size(); ++i) {
    sum += picture[i];
    x += picture[i] * static_cast<double>(i % 9);
    y += picture[i] * static_cast<double>(i / 9);
  }
  return {x / sum, y / sum};
}

TEST(AugmentImage, DividesBy255WhereNothingIsAsked) {
  const auto picture = augmented(point(2, 3), {}, 1);
  EXPECT_EQ(picture[2 * 9 + 3], 1.0f);
  EXPECT_EQ(std::accumulate(picture.begin(), picture.end(), 0.0f), 1.0f);
}

TEST(AugmentImage, DependsOnSeedAndExampleAlone) {
  const ImageAugmentOptions options{.shift = 0.2, .rotate = 20, .scale = 0.2, .crop = 0.2, .flip = true, .cutout = 0.3};
  const auto picture = point(4, 5);
  EXPECT_EQ(augmented(picture, options, 1, 2), augmented(picture, options, 1, 2));
  EXPECT_NE(augmented(picture, options, 1, 2), augmented(picture, options, 2, 2));
  EXPECT_NE(augmented(picture, options, 1, 2), augmented(picture, options, 1, 3));
}

TEST(AugmentImage, ShiftsWithinItsBounds) {
  double least = 9, greatest = -9;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const auto [x, y] = centre(augmented(point(4, 4), {.shift = 2.0 / 9}, seed));
    EXPECT_LE(std::abs(y - 4), 2.001);
    least = std::min(least, x);
    greatest = std::max(greatest, x);
  }
  EXPECT_NEAR(least, 2, 0.1);
  EXPECT_NEAR(greatest, 6, 0.1);
}

TEST(AugmentImage, TurnsAroundTheMiddle) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto middle = augmented(point(4, 4), {.rotate = 90}, seed);
    EXPECT_NEAR(middle[4 * 9 + 4], 1, 1e-5);
    const auto [x, y] = centre(augmented(point(4, 7), {.rotate = 90}, seed));
    EXPECT_NEAR(std::hypot(x - 4, y - 4), 3, 0.25);
    EXPECT_GT(x, 3.7);  // by 90 degrees at most
  }
}

TEST(AugmentImage, Scales) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto [x, y] = centre(augmented(point(4, 6), {.scale = 0.5}, seed));
    EXPECT_NEAR(y, 4, 1e-4);
    EXPECT_GE(x, 4 + 2 * 0.5 - 0.2);
    EXPECT_LE(x, 4 + 2 * 1.5 + 0.2);
  }
}

TEST(AugmentImage, CropsToAWindowThatLiesInside) {
  // What is even stays even: the window never reaches outside, where it is black.
  const std::vector<uint8_t> even(81, 255);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto picture = augmented(even, {.crop = 0.5}, seed);
    EXPECT_NEAR(*std::min_element(picture.begin(), picture.end()), 1, 1e-5);
  }
}

TEST(AugmentImage, FlipsEveryOtherTime) {
  int flipped = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const auto picture = augmented(point(4, 1), {.flip = true}, seed);
    const bool stays = picture[4 * 9 + 1] > 0.999f, mirrored = picture[4 * 9 + 7] > 0.999f;
    EXPECT_NE(stays, mirrored);
    flipped += mirrored;
  }
  EXPECT_NEAR(flipped, 100, 35);
}

TEST(AugmentImage, CutsOutASquare) {
  const std::vector<uint8_t> even(81, 255);
  size_t most = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto picture = augmented(even, {.cutout = 1.0 / 3}, seed);
    most = std::max(most, static_cast<size_t>(std::count(picture.begin(), picture.end(), 0.0f)));
  }
  EXPECT_EQ(most, 9u);
}

TEST(ImageBatch, MixesPicturesAndLabelsAlike) {
  ImageDataset set{{1, 1, 1}, {0, 255, 255}, {"a", "b", "b"}, {"0", "1", "2"}};
  const std::vector<int32_t> labels{0, 1, 1};
  const std::vector<int64_t> examples{2, 0};
  const ImageBatch plain = make_image_batch(set, labels, examples);
  EXPECT_THAT(plain.images.to_vector<float>(), ElementsAre(1.0f, 0.0f));
  EXPECT_THAT(plain.labels.to_vector<int32_t>(), ElementsAre(1, 0));
  EXPECT_FALSE(plain.targets.defined());
  const ImageBatch mixed = make_image_batch(set, labels, examples, {.mixup = 0.5, .classes = 2, .seed = 3});
  const auto shares = mixed.targets.to_vector<float>(), pixels = mixed.images.to_vector<float>();
  for (size_t row = 0; row < 2; ++row) {
    EXPECT_FLOAT_EQ(shares[2 * row] + shares[2 * row + 1], 1);
    EXPECT_FLOAT_EQ(pixels[row], shares[2 * row + 1]);  // class 1 is white
  }
  EXPECT_THROW(make_image_batch(set, labels, std::vector<int64_t>{3}), IndexError);
}

}  // namespace
}  // namespace fovea::data
