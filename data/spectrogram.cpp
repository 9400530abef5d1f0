#include "fovea/data/spectrogram.h"

#include <kissfft/kiss_fftr.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <new>
#include <numbers>

namespace fovea::data {
namespace {

constexpr double pi = std::numbers::pi;
constexpr float least_energy = 1e-6f;
constexpr int64_t largest_fft = 65536, most_bins = 4096;

double mel_of(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double hertz_of(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

struct FreeFft {
  void operator()(kiss_fftr_state* state) const { kiss_fftr_free(state); }
};

}  // namespace

MelSpectrogram::MelSpectrogram(MelOptions options, Caller caller) : options_(options) {
  if (options.high == 0) options_.high = static_cast<double>(options.rate) / 2;
  window_size_ = static_cast<int64_t>(std::llround(options.window * static_cast<double>(options.rate)));
  hop_ = static_cast<int64_t>(std::llround(options.hop * static_cast<double>(options.rate)));
  if (options.rate < 1 || window_size_ < 2 || window_size_ > largest_fft || hop_ < 1) {
    raise<ValueError>(caller, "MelSpectrogram: a window of {} s every {} s at {} samples a second", options.window,
                      options.hop, options.rate);
  }
  if (options.mels < 1 || options.mels > most_bins || options.low < 0 || options_.high <= options.low ||
      2 * options_.high > static_cast<double>(options.rate) || options.coefficients < 1 ||
      options.coefficients > options.mels) {
    raise<ValueError>(caller, "MelSpectrogram: {} coefficients of {} bands from {} to {} Hz at {} samples a second",
                      options.coefficients, options.mels, options.low, options_.high, options.rate);
  }
  fft_ = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(window_size_)));
  for (int64_t i = 0; i < window_size_; ++i) {
    window_.push_back(
        static_cast<float>(0.5 - 0.5 * std::cos(2 * pi * static_cast<double>(i) / static_cast<double>(window_size_))));
  }

  const double low = mel_of(options_.low), step = (mel_of(options_.high) - low) / static_cast<double>(options.mels + 1);
  for (int64_t m = 0; m < options.mels; ++m) {
    const double left = hertz_of(low + step * static_cast<double>(m)),
                 middle = hertz_of(low + step * static_cast<double>(m + 1)),
                 right = hertz_of(low + step * static_cast<double>(m + 2));
    Band band{0, {}};
    for (int64_t k = 0; k <= fft_ / 2; ++k) {
      const double hertz = static_cast<double>(k * options.rate) / static_cast<double>(fft_);
      const double weight = std::min((hertz - left) / (middle - left), (right - hertz) / (right - middle));
      if (weight <= 0) continue;
      if (band.weights.empty()) band.first = k;
      band.weights.push_back(static_cast<float>(weight));
    }
    bands_.push_back(std::move(band));
  }

  const auto mels = static_cast<double>(options.mels);
  for (int64_t c = 0; c < options.coefficients; ++c) {
    for (int64_t m = 0; m < options.mels; ++m) {
      const double wave = std::cos(pi * static_cast<double>(c) * (static_cast<double>(m) + 0.5) / mels);
      cosines_.push_back(static_cast<float>(std::sqrt((c == 0 ? 1 : 2) / mels) * wave));
    }
  }
}

int64_t MelSpectrogram::frames(int64_t samples) const {
  return 1 + (std::max<int64_t>(samples - window_size_, 0) + hop_ - 1) / hop_;
}

Frames MelSpectrogram::log_mel(std::span<const float> samples) const {
  const std::unique_ptr<kiss_fftr_state, FreeFft> fft(kiss_fftr_alloc(static_cast<int>(fft_), 0, nullptr, nullptr));
  if (!fft) throw std::bad_alloc();
  Frames out{frames(static_cast<int64_t>(samples.size())), options_.mels, {}};
  out.values.reserve(static_cast<size_t>(out.frames * out.bins));
  std::vector<float> frame(static_cast<size_t>(fft_), 0.0f), energy(static_cast<size_t>(fft_ / 2 + 1));
  std::vector<kiss_fft_cpx> spectrum(energy.size());
  for (int64_t t = 0; t < out.frames; ++t) {
    for (int64_t i = 0; i < window_size_; ++i) {
      const auto at = static_cast<size_t>(t * hop_ + i);
      frame[static_cast<size_t>(i)] = at < samples.size() ? samples[at] * window_[static_cast<size_t>(i)] : 0.0f;
    }
    kiss_fftr(fft.get(), frame.data(), spectrum.data());
    for (size_t k = 0; k < energy.size(); ++k)
      energy[k] = spectrum[k].r * spectrum[k].r + spectrum[k].i * spectrum[k].i;
    for (const Band& band : bands_) {
      float sum = least_energy;
      for (size_t k = 0; k < band.weights.size(); ++k)
        sum += band.weights[k] * energy[static_cast<size_t>(band.first) + k];
      out.values.push_back(std::log(sum));
    }
  }
  return out;
}

Frames MelSpectrogram::mfcc(std::span<const float> samples) const {
  const Frames mel = log_mel(samples);
  Frames out{mel.frames, options_.coefficients, {}};
  for (int64_t t = 0; t < mel.frames; ++t) {
    const float* row = mel.values.data() + t * mel.bins;
    for (int64_t c = 0; c < out.bins; ++c) {
      const float* cosine = cosines_.data() + c * mel.bins;
      float sum = 0;
      for (int64_t m = 0; m < mel.bins; ++m) sum += cosine[m] * row[m];
      out.values.push_back(sum);
    }
  }
  return out;
}

void standardise(Frames& frames) {
  double sum = 0, squares = 0;
  for (const float value : frames.values) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const double count = std::max<double>(1, static_cast<double>(frames.values.size())), mean = sum / count;
  const double deviation = std::sqrt(std::max(squares / count - mean * mean, 1e-8));
  for (float& value : frames.values) value = static_cast<float>((value - mean) / deviation);
}

}  // namespace fovea::data
