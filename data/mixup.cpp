#include "fovea/data/mixup.h"

#include <algorithm>
#include <cmath>

#include "fovea/data/random_stream.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

constexpr uint64_t tag = 0x6d6978;  // so that these numbers are not those of another augmentation

/// Beta(alpha, alpha) by Jöhnk's method (1964): x / (x + y) of x = u^(1/alpha) and y = v^(1/alpha) where they are at
/// most 1 together. In logarithms, since both are 0 in double where alpha is small.
double draw_beta(double alpha, RandomStream& random) {
  while (true) {
    const double u = std::log(random.uniform()), v = std::log(random.uniform());
    const double apart = (v - u) / alpha;  // log(y / x)
    const double sum = std::max(u, v) / alpha + std::log1p(std::exp(-std::abs(apart)));
    if (sum <= 0) return 1 / (1 + std::exp(apart));
  }
}

}  // namespace

std::vector<Mix> draw_mixes(std::span<const int64_t> examples, double alpha, uint64_t seed, Caller caller) {
  if (!(alpha > 0 && alpha <= 1)) raise<ValueError>(caller, "draw_mixes: alpha {}", alpha);
  std::vector<Mix> mixes;
  for (const int64_t example : examples) {
    RandomStream random(seed ^ tag, static_cast<uint64_t>(example));
    const auto partner = static_cast<int64_t>(random.below(examples.size()));
    const double share = draw_beta(alpha, random);
    mixes.push_back({partner, static_cast<float>(std::max(share, 1 - share))});
  }
  return mixes;
}

std::vector<float> blend_rows(const std::vector<float>& rows, std::span<const Mix> mixes) {
  std::vector<float> blended(rows.size());
  const size_t size = mixes.empty() ? 0 : rows.size() / mixes.size();
  for (size_t row = 0; row < mixes.size(); ++row) {
    const auto [partner, share] = mixes[row];
    const float* own = rows.data() + row * size;
    const float* other = rows.data() + static_cast<size_t>(partner) * size;
    for (size_t i = 0; i < size; ++i) blended[row * size + i] = share * own[i] + (1 - share) * other[i];
  }
  return blended;
}

Tensor blend_labels(std::span<const int32_t> labels, std::span<const int64_t> examples, std::span<const Mix> mixes,
                    int64_t classes, Device device, const LabelSets* sets) {
  std::vector<float> shares(examples.size() * static_cast<size_t>(classes), 0.0f);
  for (size_t row = 0; row < examples.size(); ++row) {
    const auto [partner, share] = mixes[row];
    float* to = shares.data() + row * static_cast<size_t>(classes);
    const auto add = [&](size_t place, float weight) {
      const int32_t& label = labels[static_cast<size_t>(examples[place])];
      for (const int32_t each : sets ? (*sets)[label] : std::span(&label, 1)) to[each] += weight;
    };
    add(row, share);
    add(static_cast<size_t>(partner), 1 - share);
  }
  return from_vector(shares, {static_cast<int64_t>(examples.size()), classes}, device);
}

}  // namespace fovea::data
