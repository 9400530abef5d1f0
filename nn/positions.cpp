#include "fovea/nn/positions.h"

#include <cmath>

#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/init.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
namespace {

void need_sequence(const char* name, const Tensor& x, int64_t dim, Caller caller) {
  if (x.rank() < 2 || x.shape().back() != dim) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, time, {}]", name, x.shape(), dim);
  }
}

/// [time, half]: p / base^(i / half).
Tensor angles(int64_t time, int64_t half, int64_t offset, double base, TensorOptions options) {
  std::vector<double> period, values;
  for (int64_t i = 0; i < half; ++i) {
    period.push_back(std::pow(base, static_cast<double>(i) / static_cast<double>(half)));
  }
  values.reserve(static_cast<size_t>(time * half));
  for (int64_t t = 0; t < time; ++t) {
    const double position = static_cast<double>(offset) + static_cast<double>(t);
    for (const double each : period) values.push_back(position / each);
  }
  return raw::from_host(values, {time, half}, options);
}

}  // namespace

LearnedPositions::LearnedPositions(int64_t length, int64_t dim, Caller caller) {
  if (length < 1 || dim < 1)
    raise<ValueError>(caller, "LearnedPositions: sizes {} and {} must be positive", length, dim);
  weight = empty({length, dim}, {}, caller);
  init::normal_(weight, 0, 0.02);
  add("weight", weight);
}

Tensor LearnedPositions::forward(const Tensor& x, int64_t offset, Caller caller) const {
  const Scope scope(*this, caller);
  need_sequence("LearnedPositions", x, weight.shape()[1], caller);
  const int64_t time = x.shape()[x.rank() - 2];
  if (offset < 0 || offset > weight.shape()[0] - time) {
    raise<ValueError>(caller, "LearnedPositions: {} positions from {} on of a table of {}", time, offset,
                      weight.shape()[0]);
  }
  return x + weight.slice(0, offset, offset + time);
}

std::string LearnedPositions::description() const {
  return fmt::format("{}, {}", weight.shape()[0], weight.shape()[1]);
}

Tensor sinusoidal_positions(int64_t time, int64_t dim, int64_t offset, double base, TensorOptions options,
                            Caller caller) {
  if (!(base > 0)) raise<ValueError>(caller, "sinusoidal_positions: base {} is not positive", base);
  if (time < 0 || dim < 1) raise<ValueError>(caller, "sinusoidal_positions: sizes {} and {}", time, dim);
  raw::check_shape({time, dim}, "sinusoidal_positions", caller);
  const double step = std::pow(base, -2 / static_cast<double>(dim));
  std::vector<double> frequency, values;
  for (int64_t i = 0; i < dim; ++i) frequency.push_back(std::pow(step, static_cast<double>(i / 2)));
  const ErrorScope scope(caller);
  with_host_memory("sinusoidal_positions", [&] { values.reserve(static_cast<size_t>(time * dim)); });
  for (int64_t t = 0; t < time; ++t) {
    const double position = static_cast<double>(offset) + static_cast<double>(t);
    for (int64_t i = 0; i < dim; ++i) {
      const double angle = position * frequency[static_cast<size_t>(i)];
      values.push_back(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return raw::from_host(values, {time, dim}, options);
}

SinusoidalPositions::SinusoidalPositions(int64_t dim, double base, Caller caller) : dim_(dim), base_(base) {
  if (dim < 1 || !(base > 0)) raise<ValueError>(caller, "SinusoidalPositions: size {} and base {}", dim, base);
}

Tensor SinusoidalPositions::forward(const Tensor& x, int64_t offset, Caller caller) const {
  const Scope scope(*this, caller);
  need_sequence("SinusoidalPositions", x, dim_, caller);
  return x + sinusoidal_positions(x.shape()[x.rank() - 2], dim_, offset, base_, x.options(), caller);
}

std::string SinusoidalPositions::description() const { return fmt::format("{}", dim_); }

Tensor rotary(const Tensor& x, int64_t offset, double base, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise turn{
      "rotary", [](Expr a, Expr b, Expr angle) {
        return std::vector<Expr>{a * cos(angle) - b * sin(angle), b * cos(angle) + a * sin(angle)};
      }};
  raw::check_floating("rotary", x, caller);
  if (!(base > 0)) raise<ValueError>(caller, "rotary: base {} is not positive", base);
  if (x.rank() < 2 || x.shape().back() % 2 != 0) {
    raise<ShapeError>(caller, "rotary: {} is not [..., time, an even size]", x.shape());
  }
  const int64_t half = x.shape().back() / 2, time = x.shape()[x.rank() - 2];
  // Half precision holds few angles of far positions.
  const Tensor wide = widened(x);
  const Tensor angle = angles(time, half, offset, base, wide.options());
  return concat(turn.all({wide.slice(-1, 0, half), wide.slice(-1, half), angle}), -1, caller).to(x.dtype());
}

Tensor alibi_bias(int64_t heads, int64_t keys, TensorOptions options, Caller caller) {
  if (heads < 1 || keys < 0) raise<ValueError>(caller, "alibi_bias: {} heads and {} keys", heads, keys);
  raw::check_shape({heads, 1, keys}, "alibi_bias", caller);
  int64_t power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<double> values;
  values.reserve(static_cast<size_t>(heads * keys));
  for (int64_t h = 0; h < heads; ++h) {
    const double exponent = h < power ? static_cast<double>(h + 1) / static_cast<double>(power)
                                      : static_cast<double>(2 * (h - power) + 1) / static_cast<double>(2 * power);
    const double slope = std::pow(2, -8 * exponent);
    for (int64_t j = 0; j < keys; ++j) values.push_back(slope * static_cast<double>(j));
  }
  return raw::from_host(values, {heads, 1, keys}, options);
}

RelativePositionBias::RelativePositionBias(int64_t heads, RelativePositionOptions options, Caller caller)
    : options_(options) {
  const int64_t own = options.causal ? options.num_buckets : options.num_buckets / 2;
  if (heads < 1 || own < 2 || options.max_distance <= own / 2) {
    raise<ValueError>(caller, "RelativePositionBias: {} heads, {} buckets up to a distance of {}", heads,
                      options.num_buckets, options.max_distance);
  }
  weight = empty({options.num_buckets, heads}, {}, caller);
  init::normal_(weight, 0, 0.02);
  add("weight", weight);
}

int64_t RelativePositionBias::bucket(int64_t distance) const {
  const int64_t own = options_.causal ? options_.num_buckets : options_.num_buckets / 2;
  const int64_t first = !options_.causal && distance > 0 ? own : 0;
  const int64_t far = options_.causal ? std::max<int64_t>(-distance, 0) : std::abs(distance);
  const int64_t exact = own / 2;
  if (far < exact) return first + far;
  const double part = std::log(static_cast<double>(far) / static_cast<double>(exact)) /
                      std::log(static_cast<double>(options_.max_distance) / static_cast<double>(exact));
  const auto step = static_cast<int64_t>(part * static_cast<double>(own - exact));
  return first + std::min(exact + step, own - 1);
}

Tensor RelativePositionBias::forward(int64_t queries, int64_t keys, int64_t offset, Caller caller) const {
  const Scope scope(*this, caller);
  if (queries < 0 || keys < 0) {
    raise<ValueError>(caller, "RelativePositionBias: {} queries and {} keys", queries, keys);
  }
  raw::check_shape({weight.shape()[1], queries, keys}, "RelativePositionBias", caller);
  // The bucket of each distance first; a window on them per query: entry (i, j) is distance j - i - offset.
  std::vector<int32_t> by_distance, buckets;
  for (int64_t d = 1 - queries; d < keys; ++d) by_distance.push_back(static_cast<int32_t>(bucket(d - offset)));
  buckets.reserve(static_cast<size_t>(queries * keys));
  for (int64_t i = 0; i < queries; ++i) {
    const auto first = by_distance.begin() + (queries - 1 - i);
    buckets.insert(buckets.end(), first, first + keys);
  }
  return embedding(from_vector(buckets, {queries, keys}, weight.device()), weight, {}, caller).permute({2, 0, 1});
}

std::string RelativePositionBias::description() const {
  return fmt::format("{}, num_buckets={}, max_distance={}{}", weight.shape()[1], options_.num_buckets,
                     options_.max_distance, options_.causal ? ", causal" : "");
}

}  // namespace fovea::nn
