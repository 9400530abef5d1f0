#include "fovea/data/scaler.h"

#include <algorithm>
#include <cmath>

#include "fovea/backends/normal.h"

namespace fovea::data {
namespace {

constexpr size_t most_knots = 1000;
constexpr double least_share = 1e-4;  // of the numbers, that lies below the least of them

bool rises(std::span<const double> values) {
  return std::adjacent_find(values.begin(), values.end(), [](double a, double b) { return !(a < b); }) == values.end();
}

}  // namespace

Scaler Scaler::fit(std::span<const double> values, Scaling scaling) {
  Scaler scaler;
  scaler.scaling_ = scaling;
  std::vector<double> sorted;
  std::copy_if(values.begin(), values.end(), std::back_inserter(sorted), [](double x) { return std::isfinite(x); });
  std::sort(sorted.begin(), sorted.end());
  const auto count = static_cast<double>(sorted.size());
  if (scaling == Scaling::standard) {
    if (sorted.empty()) return scaler;
    double sum = 0, squares = 0;
    for (const double x : sorted) sum += x;
    scaler.mean_ = sum / count;
    for (const double x : sorted) squares += (x - scaler.mean_) * (x - scaler.mean_);
    const double deviation = std::sqrt(squares / count);
    // Of equal numbers the sums may be off by rounding: they have no deviation.
    scaler.deviation_ = sorted.front() < sorted.back() && deviation > 0 ? deviation : 0;
    return scaler;
  }
  // Every distinct number goes to the normal quantile of the middle of its ranks; of very many, evenly spaced ones.
  std::vector<double> knots, shares;
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin;
    while (end < sorted.size() && sorted[end] == sorted[begin]) ++end;
    knots.push_back(sorted[begin]);
    shares.push_back((static_cast<double>(begin) + static_cast<double>(end)) / 2 / count);
    begin = end;
  }
  const size_t kept = std::min(knots.size(), most_knots);
  for (size_t i = 0; i < kept; ++i) {
    const size_t from = kept == 1 ? 0 : i * (knots.size() - 1) / (kept - 1);
    scaler.knots_.push_back(knots[from]);
    scaler.images_.push_back(normal_quantile(std::clamp(shares[from], least_share, 1 - least_share)));
  }
  return scaler;
}

double Scaler::operator()(double x) const {
  if (scaling_ == Scaling::standard) return deviation_ > 0 ? (x - mean_) / deviation_ : 0;
  if (knots_.size() < 2) return 0;
  const auto above = std::upper_bound(knots_.begin(), knots_.end(), x);
  if (above == knots_.begin()) return images_.front();
  if (above == knots_.end()) return images_.back();
  const auto i = static_cast<size_t>(above - knots_.begin());
  const double share = (x - knots_[i - 1]) / (knots_[i] - knots_[i - 1]);
  return images_[i - 1] + share * (images_[i] - images_[i - 1]);
}

std::vector<double> Scaler::parameters() const {
  if (scaling_ == Scaling::standard) return {mean_, deviation_};
  std::vector<double> all = knots_;
  all.insert(all.end(), images_.begin(), images_.end());
  return all;
}

Scaler Scaler::from_parameters(Scaling scaling, std::span<const double> parameters, Caller caller) {
  Scaler scaler;
  scaler.scaling_ = scaling;
  if (scaling == Scaling::standard) {
    if (parameters.size() != 2) raise<ValueError>(caller, "Scaler: {} parameters, expected 2", parameters.size());
    scaler.mean_ = parameters[0];
    scaler.deviation_ = parameters[1];
    return scaler;
  }
  const size_t count = parameters.size() / 2;
  if (parameters.size() % 2 != 0 || !rises(parameters.subspan(0, count))) {
    raise<ValueError>(caller, "Scaler: {} parameters are not rising knots and their images", parameters.size());
  }
  scaler.knots_.assign(parameters.begin(), parameters.begin() + static_cast<ptrdiff_t>(count));
  scaler.images_.assign(parameters.begin() + static_cast<ptrdiff_t>(count), parameters.end());
  return scaler;
}

}  // namespace fovea::data
