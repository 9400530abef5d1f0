#include "fovea/data/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace fovea::data {
namespace {

// By Kaiser's formulas: 8.7 + beta / 0.1102 dB, over 1 - passed = 2 (1 - middle) of the band.
constexpr double beta = 9, middle = 0.94;
constexpr double zero_crossings = 48;            // on either side
constexpr int64_t most_kept = int64_t{1} << 23;  // numbers

/// The modified Bessel function of the first kind and order 0, by its series.
double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > 1e-12 * sum; ++k) {
    term *= x * x / (4.0 * k * k);
    sum += term;
  }
  return sum;
}

/// The windowed sinc at so many zero crossings from its middle.
double kernel(double at) {
  const double share = at / zero_crossings, angle = std::numbers::pi * at;
  if (std::abs(share) >= 1) return 0;
  return (angle == 0 ? 1 : std::sin(angle) / angle) * bessel_i0(beta * std::sqrt(1 - share * share));
}

float product(const float* a, const float* b, int64_t count) {
  constexpr int64_t lanes = 8;  // sums that do not wait for each other
  float sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < count; ++i) sums[0] += a[i] * b[i];
  return std::accumulate(sums, sums + lanes, 0.0f);
}

}  // namespace

bool Resampler::can_convert(int64_t from, int64_t to) {
  return from >= 1 && to >= 1 && (from - 1) / most_times < to && (to - 1) / most_times < from;
}

Resampler::Resampler(int64_t from, int64_t to, Caller caller) {
  if (!can_convert(from, to)) {
    raise<ValueError>(
        caller,
        "Resampler: {} samples a second cannot be converted to {}; both are at least 1, and {} times apart at most",
        from, to, most_times);
  }
  const int64_t common = std::gcd(from, to);
  up_ = to / common;
  down_ = from / common;
  bandwidth_ = middle * std::min(1.0, static_cast<double>(to) / static_cast<double>(from));
  reach_ = static_cast<int64_t>(std::ceil(zero_crossings / bandwidth_));
  if (up_ > most_kept / taps()) return;
  filters_.resize(static_cast<size_t>(up_ * taps()));
  for (int64_t phase = 0; phase < up_; ++phase) write_filter(phase, filters_.data() + phase * taps());
}

/// The weights of the old samples around a new one that stands phase / up behind an old one.
void Resampler::write_filter(int64_t phase, float* taps) const {
  std::vector<double> weights;
  for (int64_t k = 1 - reach_; k <= reach_; ++k) {
    const double distance = static_cast<double>(k) - static_cast<double>(phase) / static_cast<double>(up_);
    weights.push_back(kernel(bandwidth_ * distance));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (const double weight : weights) *taps++ = static_cast<float>(weight / sum);
}

std::vector<float> Resampler::convert(std::span<const float> samples) const {
  if (up_ == down_) return {samples.begin(), samples.end()};
  const auto count = static_cast<int64_t>(samples.size());
  std::vector<float> converted(static_cast<size_t>(converted_size(count))), made(static_cast<size_t>(taps()));
  for (size_t i = 0; i < converted.size(); ++i) {
    const int64_t place = static_cast<int64_t>(i) * down_, phase = place % up_;
    if (filters_.empty()) write_filter(phase, made.data());
    const float* filter = filters_.empty() ? made.data() : filters_.data() + phase * taps();
    const int64_t first = place / up_ + 1 - reach_;  // of the old samples
    const int64_t begin = std::max<int64_t>(first, 0), end = std::min(first + taps(), count);
    if (begin < end) converted[i] = product(filter + (begin - first), samples.data() + begin, end - begin);
  }
  return converted;
}

}  // namespace fovea::data
