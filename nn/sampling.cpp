#include "fovea/nn/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace fovea::nn {
namespace {

/// The tokens that may be drawn, the likeliest first where that matters.
std::vector<int32_t> candidates(std::span<const double> logits, const SamplingOptions& o) {
  std::vector<int32_t> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto likelier = [&](int32_t a, int32_t b) {
    const double x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  const bool few = o.top_k > 0 && o.top_k < static_cast<int64_t>(tokens.size());
  if (few) {
    std::partial_sort(tokens.begin(), tokens.begin() + o.top_k, tokens.end(), likelier);
    tokens.resize(static_cast<size_t>(o.top_k));
  } else if (o.top_p < 1) {
    std::sort(tokens.begin(), tokens.end(), likelier);
  }
  return tokens;
}

int32_t draw(std::span<const double> logits, const SamplingOptions& o, double uniform) {
  const double greatest = *std::max_element(logits.begin(), logits.end());
  std::vector<int32_t> tokens = candidates(logits, o);
  std::vector<double> weights;
  double total = 0;
  for (const int32_t token : tokens) {
    weights.push_back(std::exp((logits[static_cast<size_t>(token)] - greatest) / o.temperature));
    total += weights.back();
  }
  if (o.top_p < 1) {
    double reached = 0;
    size_t kept = 0;
    while (kept < weights.size() && reached < o.top_p * total) reached += weights[kept++];
    weights.resize(std::max<size_t>(kept, 1));
    total = std::accumulate(weights.begin(), weights.end(), 0.0);
  }
  double left = uniform * total;
  size_t last = 0;  // the last that can be drawn at all
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    last = i;
    if (left < weights[i]) break;
    left -= weights[i];
  }
  return tokens[last];
}

}  // namespace

std::vector<int32_t> sample(const Tensor& logits, const SamplingOptions& o, Generator& generator, Caller caller) {
  if (logits.rank() != 2 || logits.shape()[1] == 0) {
    raise<ShapeError>(caller, "sample: logits {} are not [batch, vocabulary]", logits.shape());
  }
  if (!(o.temperature >= 0 && std::isfinite(o.temperature)) || o.top_k < 0 || !(o.top_p > 0 && o.top_p <= 1)) {
    raise<ValueError>(caller,
                      "sample: temperature {}, top_k {} and top_p {} are not finite and >= 0, >= 0 and in (0, 1]",
                      o.temperature, o.top_k, o.top_p);
  }
  const auto rows = static_cast<size_t>(logits.shape()[0]), width = static_cast<size_t>(logits.shape()[1]);
  const auto values = logits.to_vector<double>();
  const auto uniforms = rand({logits.shape()[0]}, {f64, {}}, generator).to_vector<double>();
  std::vector<int32_t> tokens;
  for (size_t row = 0; row < rows; ++row) {
    const auto of_row = std::span(values).subspan(row * width, width);
    const auto likeliest = std::max_element(of_row.begin(), of_row.end());
    const bool ordered = std::none_of(of_row.begin(), of_row.end(), [](double x) { return std::isnan(x); });
    if (!ordered || std::isinf(*likeliest)) {
      raise<ValueError>(caller, "sample: row {} of the logits has {} in it", row, ordered ? "no finite number" : "NaN");
    }
    tokens.push_back(o.temperature == 0 ? static_cast<int32_t>(likeliest - of_row.begin())
                                        : draw(of_row, o, uniforms[row]));
  }
  return tokens;
}

}  // namespace fovea::nn
