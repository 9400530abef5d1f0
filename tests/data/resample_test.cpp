#include "fovea/data/resample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using ::testing::HasSubstr;

/// A second of a tone of so many Hz.
std::vector<float> tone(double pitch, int64_t rate) {
  std::vector<float> samples;
  for (int64_t i = 0; i < rate; ++i) {
    const double turns = pitch * static_cast<double>(i) / static_cast<double>(rate);
    samples.push_back(static_cast<float>(std::sin(2 * std::numbers::pi * turns)));
  }
  return samples;
}

/// Effective value of `a` - `b` beside that of a tone, in dB, away from the ends; silence stands for an empty b.
double level(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  const size_t end = a.size() / 10;
  for (size_t i = end; i < a.size() - end; ++i) sum += std::pow(a[i] - (b.empty() ? 0 : b[i]), 2);
  return 10 * std::log10(2 * sum / static_cast<double>(a.size() - 2 * end) + 1e-30);
}

TEST(Resampler, KeepsWhatTheLowerRateCanHoldAndNothingElse) {
  struct Case {
    int64_t from, to;
  };
  // Whole and broken ratios, up and down; the last two have too many places for filters to be kept of all.
  for (const auto& [from, to] : {Case{16000, 8000}, Case{8000, 16000}, Case{44100, 8000}, Case{22050, 16000},
                                 Case{6000, 8000}, Case{19997, 4001}, Case{4001, 99991}}) {
    SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
    const Resampler resampler(from, to);
    const auto half = static_cast<double>(std::min(from, to)) / 2;
    for (const double share : {0.0123, 0.5, 0.87}) {
      const std::vector<float> converted = resampler.convert(tone(share * half, from));
      EXPECT_LT(level(converted, tone(share * half, to)), -80) << share;
    }
    if (from < to) continue;
    for (const double pitch : {1.01 * half, 0.9 * static_cast<double>(from) / 2}) {
      EXPECT_LT(level(resampler.convert(tone(pitch, from)), {}), -80) << pitch;
    }
  }
}

TEST(Resampler, GivesAsManySamplesAsBeginWithinTheRecording) {
  EXPECT_EQ(Resampler(16000, 8000).converted_size(9), 5);
  EXPECT_EQ(Resampler(8000, 16000).converted_size(9), 18);
  EXPECT_EQ(Resampler(44100, 8000).converted_size(44101), 8001);
  const Resampler resampler(3, 2);
  for (size_t samples = 0; samples < 9; ++samples) {
    const size_t expected = (2 * samples + 2) / 3;
    EXPECT_EQ(resampler.convert(std::vector<float>(samples, 0.5f)).size(), expected) << samples;
  }
}

TEST(Resampler, KeepsLoudnessAndPlace) {
  // A constant is one to the last bit or so, away from the silence around it.
  const std::vector<float> constant = Resampler(44100, 16000).convert(std::vector<float>(44100, 0.5f));
  for (size_t i = 1600; i < 14400; ++i) ASSERT_NEAR(constant[i], 0.5f, 1e-6f) << i;
  // A click stays where it was.
  std::vector<float> click(3000, 0.0f);
  click[1500] = 1;
  const std::vector<float> moved = Resampler(3000, 8000).convert(click);
  EXPECT_EQ(std::max_element(moved.begin(), moved.end()) - moved.begin(), 4000);
}

TEST(Resampler, LeavesTheSameRateAlone) {
  const std::vector<float> samples = tone(440, 8000);
  EXPECT_EQ(Resampler(8000, 8000).convert(samples), samples);
}

TEST(Resampler, RefusesRatesThatAreFarApart) {
  const auto error = [](int64_t from, int64_t to) { return error_of<ValueError>([&] { Resampler(from, to); }); };
  EXPECT_THAT(error(0, 8000), HasSubstr("Resampler: 0 samples a second cannot be converted to 8000;"));
  EXPECT_THAT(error(8000, -1), HasSubstr("-1"));
  EXPECT_THAT(error(1000, 64001), HasSubstr("64 times apart at most"));
  EXPECT_THAT(error(64001, 1000), HasSubstr("64 times apart at most"));
  EXPECT_EQ(error(64000, 1000), "");
  EXPECT_EQ(error(1000, 64000), "");
}

}  // namespace
}  // namespace fovea::data
