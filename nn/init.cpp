#include "fovea/nn/init.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/backends/normal.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn::init {
namespace {

struct Fans {
  double in, out;
};

Fans fans(const Tensor& x, const char* name, Caller caller) {
  if (x.rank() < 2) raise<ShapeError>(caller, "{}: a tensor of shape {} has no fan in and out", name, x.shape());
  const int64_t rest = x.shape()[0] == 0 ? 0 : x.numel() / x.shape()[0];  // in * product(...)
  const int64_t field = x.shape()[1] == 0 ? 0 : rest / x.shape()[1];
  return {static_cast<double>(rest), static_cast<double>(x.shape()[0] * field)};
}

/// x = random numbers * scale + shift, drawn right where they belong if x has no gaps.
Tensor& draw(Tensor& x, RandomCall::Kind kind, double scale, double shift, Generator& generator) {
  static const Elementwise affine{"affine", [](Expr v, Scalar a, Scalar b) { return v * a + b; }};
  const NoGrad off;
  const Tensor values = x.is_contiguous() ? x : raw::empty(x.shape(), x.options());
  x.backend().random({values.view(), kind, generator.seed, generator.advance(x.numel())});
  affine.into({&x}, {values, scale, shift});
  return x;
}

Tensor& assign(Tensor& x, const std::vector<double>& values) {
  const NoGrad off;
  return x.copy_(raw::from_host(values, x.shape(), x.options()));
}

double kaiming_deviation(const Tensor& x, KaimingOptions options, const char* name, Caller caller) {
  const Fans f = fans(x, name, caller);
  const double fan = options.fan == Fan::in ? f.in : f.out;
  return fan > 0 ? std::sqrt(2 / ((1 + options.slope * options.slope) * fan)) : 0;
}

double xavier_deviation(const Tensor& x, double gain, const char* name, Caller caller) {
  const Fans f = fans(x, name, caller);
  return f.in + f.out > 0 ? gain * std::sqrt(2 / (f.in + f.out)) : 0;
}

}  // namespace

Tensor& constant_(Tensor& x, double value) {
  const NoGrad off;
  return x.fill_(value);
}
Tensor& zeros_(Tensor& x) { return constant_(x, 0); }
Tensor& ones_(Tensor& x) { return constant_(x, 1); }

Tensor& eye_(Tensor& x, Caller caller) {
  if (x.rank() != 2) raise<ShapeError>(caller, "eye_: {} is no matrix", x.shape());
  const NoGrad off;
  return x.copy_(eye(x.shape()[0], x.shape()[1], x.options(), caller));
}

Tensor& uniform_(Tensor& x, double low, double high, Generator& generator) {
  return draw(x, RandomCall::Kind::uniform, high - low, low, generator);
}

Tensor& normal_(Tensor& x, double mean, double deviation, Generator& generator) {
  return draw(x, RandomCall::Kind::normal, deviation, mean, generator);
}

Tensor& trunc_normal_(Tensor& x, double mean, double deviation, double low, double high, Generator& generator,
                      Caller caller) {
  if (!(low < high) || !(deviation >= 0)) {
    raise<ValueError>(caller, "trunc_normal_: a deviation of {} between {} and {}", deviation, low, high);
  }
  // Above the mean by mirroring: probabilities near 0 are exact, those near 1 are not.
  const bool mirrored = low > mean;
  const double sign = mirrored ? -1 : 1;
  const auto below = [&](double value) { return 0.5 * std::erfc(sign * (mean - value) / deviation / std::sqrt(2.0)); };
  const double first = below(mirrored ? high : low), last = below(mirrored ? low : high);
  std::vector<double> values = rand(x.shape(), {f64}, generator).to_vector<double>();
  for (double& value : values) {
    // A uniform number is a multiple of 2^-24: the middle of its interval is never 0 or 1.
    const double p = first + (last - first) * (value + 0x1p-25);
    // So far out that the probabilities vanish, all lie at the near end.
    const double least = std::numeric_limits<double>::min();
    value = std::clamp(mean + sign * deviation * normal_quantile(std::max(p, least)), low, high);
  }
  return assign(x, values);
}

Tensor by_fan(const Shape& shape, int64_t fan, Caller caller) {
  const double bound = fan > 0 ? 1 / std::sqrt(static_cast<double>(fan)) : 0;
  Tensor x = empty(shape, {}, caller);
  return uniform_(x, -bound, bound);
}

Tensor& xavier_uniform_(Tensor& x, double gain, Generator& generator, Caller caller) {
  const double bound = std::sqrt(3.0) * xavier_deviation(x, gain, "xavier_uniform_", caller);
  return uniform_(x, -bound, bound, generator);
}

Tensor& xavier_normal_(Tensor& x, double gain, Generator& generator, Caller caller) {
  return normal_(x, 0, xavier_deviation(x, gain, "xavier_normal_", caller), generator);
}

Tensor& kaiming_uniform_(Tensor& x, KaimingOptions options, Generator& generator, Caller caller) {
  const double bound = std::sqrt(3.0) * kaiming_deviation(x, options, "kaiming_uniform_", caller);
  return uniform_(x, -bound, bound, generator);
}

Tensor& kaiming_normal_(Tensor& x, KaimingOptions options, Generator& generator, Caller caller) {
  return normal_(x, 0, kaiming_deviation(x, options, "kaiming_normal_", caller), generator);
}

Tensor& orthogonal_(Tensor& x, double gain, Generator& generator, Caller caller) {
  fans(x, "orthogonal_", caller);
  const auto rows = static_cast<size_t>(x.shape()[0]);
  const size_t columns = rows == 0 ? 0 : static_cast<size_t>(x.numel()) / rows;
  const size_t count = std::min(rows, columns), length = std::max(rows, columns);
  // Gram-Schmidt, twice for the rounding, on random vectors of the longer side.
  std::vector<double> q =
      randn({static_cast<int64_t>(count), static_cast<int64_t>(length)}, {f64}, generator).to_vector<double>();
  for (size_t i = 0; i < count; ++i) {
    double* v = q.data() + i * length;
    for (int pass = 0; pass < 2; ++pass) {
      for (size_t j = 0; j < i; ++j) {
        const double* u = q.data() + j * length;
        double dot = 0;
        for (size_t k = 0; k < length; ++k) dot += u[k] * v[k];
        for (size_t k = 0; k < length; ++k) v[k] -= dot * u[k];
      }
      double square = 0;
      for (size_t k = 0; k < length; ++k) square += v[k] * v[k];
      for (size_t k = 0; k < length; ++k) v[k] /= std::sqrt(square);
    }
  }
  std::vector<double> values(rows * columns);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      values[r * columns + c] = gain * (rows <= columns ? q[r * length + c] : q[c * length + r]);
    }
  }
  return assign(x, values);
}

}  // namespace fovea::nn::init
