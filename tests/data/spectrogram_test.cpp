#include "fovea/data/spectrogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

#include "fovea/data/random_stream.h"

namespace fovea::data {
namespace {

constexpr double pi = std::numbers::pi;

std::vector<float> noise(int64_t count, uint64_t seed) {
  RandomStream random(seed, 0);
  std::vector<float> samples;
  for (int64_t i = 0; i < count; ++i) samples.push_back(0.3f * random.normal());
  return samples;
}

double mel(double hertz) { return 1127.01048 * std::log(1 + hertz / 700); }

/// The definition, term by term in double: Hann's window, every Fourier coefficient, every triangle.
std::vector<double> direct_log_mel(const std::vector<float>& samples, const MelOptions& o, int64_t frame) {
  const auto window = static_cast<int64_t>(std::lround(o.window * static_cast<double>(o.rate)));
  const auto hop = static_cast<int64_t>(std::lround(o.hop * static_cast<double>(o.rate)));
  int64_t size = 1;
  while (size < window) size *= 2;
  std::vector<double> energy;
  for (int64_t k = 0; k <= size / 2; ++k) {
    std::complex<double> sum = 0;
    for (int64_t i = 0; i < window; ++i) {
      const auto at = static_cast<size_t>(frame * hop + i);
      const double value = at < samples.size() ? samples[at] : 0.0;
      const double hann = std::pow(std::sin(pi * static_cast<double>(i) / static_cast<double>(window)), 2);
      sum += value * hann * std::polar(1.0, -2 * pi * static_cast<double>(i * k) / static_cast<double>(size));
    }
    energy.push_back(std::norm(sum));
  }
  const double top = o.high > 0 ? o.high : static_cast<double>(o.rate) / 2;
  std::vector<double> out;
  for (int64_t m = 0; m < o.mels; ++m) {
    double sum = 1e-6;
    for (int64_t k = 0; k <= size / 2; ++k) {
      const double hertz = static_cast<double>(k * o.rate) / static_cast<double>(size);
      // The band's corners are evenly spread on the mel scale, its sides straight in Hz.
      const auto corner = [&](int64_t i) {
        const double at =
            mel(o.low) + (mel(top) - mel(o.low)) * static_cast<double>(i) / static_cast<double>(o.mels + 1);
        return 700 * (std::exp(at / 1127.01048) - 1);
      };
      const double a = corner(m), b = corner(m + 1), c = corner(m + 2);
      const double height = hertz <= a || hertz >= c ? 0 : hertz <= b ? (hertz - a) / (b - a) : (c - hertz) / (c - b);
      sum += height * energy[static_cast<size_t>(k)];
    }
    out.push_back(std::log(sum));
  }
  return out;
}

TEST(MelSpectrogram, IsItsDefinition) {
  const MelOptions all[] = {{.rate = 8000},
                            {.rate = 16000, .window = 0.032, .hop = 0.0125, .mels = 64, .low = 0, .high = 7000},
                            {.rate = 500, .window = 0.05, .hop = 0.03, .mels = 5, .low = 10, .coefficients = 5}};
  for (const MelOptions& options : all) {
    const std::vector<float> samples = noise(options.rate / 10 + 3, 1);
    const MelSpectrogram spectrogram(options);
    const Frames got = spectrogram.log_mel(samples);
    EXPECT_EQ(got.bins, options.mels);
    EXPECT_EQ(got.values.size(), static_cast<size_t>(got.frames * got.bins));
    for (int64_t t = 0; t < got.frames; ++t) {
      const std::vector<double> want = direct_log_mel(samples, options, t);
      for (int64_t m = 0; m < got.bins; ++m) {
        EXPECT_NEAR(got.values[static_cast<size_t>(t * got.bins + m)], want[static_cast<size_t>(m)], 2e-4)
            << "frame " << t << " band " << m;
      }
    }
  }
}

TEST(MelSpectrogram, CoefficientsAreTheCosineTransform) {
  const MelOptions options{.rate = 8000, .mels = 20, .coefficients = 12};
  const std::vector<float> samples = noise(400, 2);
  const Frames got = MelSpectrogram(options).mfcc(samples);
  EXPECT_EQ(got.bins, 12);
  for (int64_t t = 0; t < got.frames; ++t) {
    const std::vector<double> bands = direct_log_mel(samples, options, t);
    for (int64_t c = 0; c < 12; ++c) {
      double sum = 0;
      for (int64_t m = 0; m < 20; ++m) {
        sum +=
            bands[static_cast<size_t>(m)] * std::cos(pi / 20 * (static_cast<double>(m) + 0.5) * static_cast<double>(c));
      }
      const double want = sum * std::sqrt(c == 0 ? 1.0 / 20 : 2.0 / 20);
      EXPECT_NEAR(got.values[static_cast<size_t>(t * 12 + c)], want, 1e-3);
    }
  }
}

TEST(MelSpectrogram, HasAsManyFramesAsLookAtAllSamples) {
  const MelSpectrogram spectrogram({.rate = 8000});  // windows of 200, hops of 80
  EXPECT_EQ(spectrogram.frames(0), 1);
  EXPECT_EQ(spectrogram.frames(200), 1);
  EXPECT_EQ(spectrogram.frames(201), 2);
  EXPECT_EQ(spectrogram.frames(280), 2);
  EXPECT_EQ(spectrogram.frames(281), 3);
  EXPECT_EQ(spectrogram.log_mel({}).frames, 1);
}

TEST(MelSpectrogram, FindsATonesBand) {
  std::vector<float> tone;
  for (int i = 0; i < 400; ++i) tone.push_back(static_cast<float>(std::sin(2 * pi * 1000 * i / 8000)));
  const Frames frames = MelSpectrogram({.rate = 8000}).log_mel(tone);
  const auto loudest = std::max_element(frames.values.begin(), frames.values.begin() + 40) - frames.values.begin();
  EXPECT_EQ(loudest, std::lround((mel(1000) - mel(20)) / ((mel(4000) - mel(20)) / 41)) - 1);
}

TEST(MelSpectrogram, RefusesWhatMakesNoSense) {
  for (const MelOptions& bad :
       {MelOptions{.rate = 0}, MelOptions{.window = 0}, MelOptions{.hop = 0}, MelOptions{.mels = 0},
        MelOptions{.low = -1}, MelOptions{.low = 5000}, MelOptions{.high = 5000}, MelOptions{.coefficients = 41}}) {
    EXPECT_THROW(MelSpectrogram{bad}, ValueError);
  }
}

TEST(Standardise, TakesMeanAndDeviation) {
  Frames frames{2, 2, {1, 2, 3, 6}};
  standardise(frames);
  double sum = 0, squares = 0;
  for (const float value : frames.values) {
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum, 0, 1e-6);
  EXPECT_NEAR(squares, 4, 1e-5);
  Frames silence{1, 3, {-5, -5, -5}};
  standardise(silence);
  for (const float value : silence.values) EXPECT_NEAR(value, 0, 1e-6);
}

}  // namespace
}  // namespace fovea::data
