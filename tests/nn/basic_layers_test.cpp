#include <fovea/fovea.h>

#include <cmath>

#include "support/layer_table.h"

namespace fovea::test {
namespace {

/// Divided by the root of its mean square, times weight.
Numbers rms_normed(Numbers x, const Numbers& weight, double eps) {
  const auto width = static_cast<size_t>(x.size(-1));
  for (size_t row = 0; row < x.values.size(); row += width) {
    double square = 0;
    for (size_t i = 0; i < width; ++i) square += x.values[row + i] * x.values[row + i] / static_cast<double>(width);
    for (size_t i = 0; i < width; ++i) x.values[row + i] *= weight.values[i] / std::sqrt(square + eps);
  }
  return x;
}

Numbers bilinear(const Known& p, const std::vector<Numbers>& x) {
  const Numbers &w = p["weight"], &bias = p["bias"];
  Numbers y({x[0].size(0), w.size(0)});
  for (int64_t n = 0; n < y.size(0); ++n) {
    for (int64_t o = 0; o < y.size(1); ++o) {
      y(n, o) = bias(o);
      for (int64_t i = 0; i < w.size(1); ++i) {
        for (int64_t j = 0; j < w.size(2); ++j) y(n, o) += x[0](n, i) * w(o, i, j) * x[1](n, j);
      }
    }
  }
  return y;
}

/// Rows of a table by index.
Numbers looked_up(const Numbers& index, const Numbers& table) {
  Shape shape = index.shape;
  shape.push_back(table.size(1));
  Numbers y(shape);
  y.values.clear();
  for (double i : index.values) {
    for (int64_t c = 0; c < table.size(1); ++c) y.values.push_back(table(static_cast<int64_t>(i), c));
  }
  return y;
}

Numbers sinusoidal(Numbers x, int64_t offset) {
  const int64_t d = x.size(2);
  for (int64_t b = 0; b < x.size(0); ++b) {
    for (int64_t t = 0; t < x.size(1); ++t) {
      for (int64_t i = 0; i < d; ++i) {
        const double angle = static_cast<double>(t + offset) /
                             std::pow(10000.0, static_cast<double>(i / 2 * 2) / static_cast<double>(d));
        x(b, t, i) += i % 2 == 0 ? std::sin(angle) : std::cos(angle);
      }
    }
  }
  return x;
}

/// The buckets of distances in T5, from the paper's description: half for each direction; of these half exact.
int64_t t5_bucket(int64_t distance, int64_t buckets, double greatest) {
  const int64_t half = buckets / 2, exact = half / 2, far = std::abs(distance);
  int64_t bucket = far;
  if (far >= exact) {
    const double part = std::log(static_cast<double>(far) / static_cast<double>(exact)) /
                        std::log(greatest / static_cast<double>(exact));
    bucket = std::min(exact + static_cast<int64_t>(part * static_cast<double>(half - exact)), half - 1);
  }
  return bucket + (distance > 0 ? half : 0);
}

/// A layer that drops half of what it is given, in evaluation.
template <class M>
std::function<std::unique_ptr<M>()> resting() {
  return [] {
    auto module = std::make_unique<M>(0.5);
    module->eval();
    return module;
  };
}

Numbers same(const Known&, const Numbers& x) { return x; }

std::vector<LayerRow> basic_rows() {
  const Tensor x = random({2, 3, 4}), two = random({3, 4}),
               indices = from_vector(std::vector<int32_t>{4, 0, 2, 2, 1, 4}, {3, 2});
  return {
      row<nn::Linear>("Linear", built<nn::Linear>(4, 3), x,
                      [](const Known& p, const Numbers& x) { return naive_linear(x, p["weight"], p["bias"]); }),
      row<nn::Linear>("Linear_without_bias", built<nn::Linear>(4, 3, nn::LinearOptions{.bias = false}), x,
                      [](const Known& p, const Numbers& x) { return naive_linear(x, p["weight"]); }),
      row<nn::Bilinear>(
          "Bilinear", built<nn::Bilinear>(4, 2, 3), {two, random({3, 2}, {}, 2)},
          [](const nn::Bilinear& m, const Inputs& x) { return m.forward(x[0], x[1]); }, bilinear),
      row<nn::PReLU>("PReLU", built<nn::PReLU>(3), x,
                     [](const Known& p, Numbers x) {
                       for (int64_t b = 0; b < 2; ++b) {
                         for (int64_t c = 0; c < 3; ++c) {
                           for (int64_t i = 0; i < 4; ++i) x(b, c, i) *= x(b, c, i) > 0 ? 1 : p["weight"](c);
                         }
                       }
                       return x;
                     }),
      row<nn::PReLU>("PReLU_one_slope", built<nn::PReLU>(), two,
                     [](const Known& p, const Numbers& x) {
                       const double slope = p["weight"](0);
                       return each(x, [=](double v) { return v > 0 ? v : slope * v; });
                     }),
      row<nn::GLU>("GLU", built<nn::GLU>(-1), x,
                   [](const Known&, const Numbers& x) {
                     return each(naive_columns(x, 0, 2), naive_columns(x, 2, 4),
                                 [](double a, double b) { return a * naive_sigmoid(b); });
                   }),
      row<nn::SwiGLU>("SwiGLU", built<nn::SwiGLU>(4, 3), two,
                      [](const Known& p, const Numbers& x) {
                        const Numbers hidden = each(naive_linear(x, p["gate.weight"]), naive_linear(x, p["up.weight"]),
                                                    [](double a, double b) { return a * naive_sigmoid(a) * b; });
                        return naive_linear(hidden, p["down.weight"]);
                      }),
      row<nn::Identity>("Identity", built<nn::Identity>(), x, same),
      row<nn::Dropout>("Dropout_in_evaluation", resting<nn::Dropout>(), two, same),
      row<nn::Dropout1d>("Dropout1d_in_evaluation", resting<nn::Dropout1d>(), x, same),
      row<nn::Dropout2d>("Dropout2d_in_evaluation", resting<nn::Dropout2d>(), x, same),
      row<nn::Dropout3d>("Dropout3d_in_evaluation", resting<nn::Dropout3d>(), x, same),
      row<nn::LayerNorm>(
          "LayerNorm", built<nn::LayerNorm>(4), x,
          [](const Known& p, const Numbers& x) { return naive_layer_norm(x, p["weight"], p["bias"], 1e-5); }),
      row<nn::RMSNorm>("RMSNorm", built<nn::RMSNorm>(4), x,
                       [](const Known& p, const Numbers& x) { return rms_normed(x, p["weight"], 1e-6); }),
      row<nn::Embedding>("Embedding", built<nn::Embedding>(5, 3), indices,
                         [](const Known& p, const Numbers& index) { return looked_up(index, p["weight"]); }),
      row<nn::EmbeddingBag>("EmbeddingBag", built<nn::EmbeddingBag>(5, 3), indices,
                            [](const Known& p, const Numbers& index) {
                              const Numbers all = looked_up(index, p["weight"]);
                              Numbers y({3, 3});
                              for (int64_t b = 0; b < 3; ++b) {
                                for (int64_t c = 0; c < 3; ++c) y(b, c) = (all(b, 0, c) + all(b, 1, c)) / 2;
                              }
                              return y;
                            }),
      row<nn::LearnedPositions>(
          "LearnedPositions", built<nn::LearnedPositions>(6, 4), {x},
          [](const nn::LearnedPositions& m, const Inputs& x) { return m.forward(x[0], 2); },
          [](const Known& p, const std::vector<Numbers>& x) {
            Numbers y = x[0];
            for (int64_t b = 0; b < 2; ++b) {
              for (int64_t t = 0; t < 3; ++t) {
                for (int64_t i = 0; i < 4; ++i) y(b, t, i) += p["weight"](t + 2, i);
              }
            }
            return y;
          }),
      row<nn::SinusoidalPositions>(
          "SinusoidalPositions", built<nn::SinusoidalPositions>(4), {x},
          [](const nn::SinusoidalPositions& m, const Inputs& x) { return m.forward(x[0], 5); },
          [](const Known&, const std::vector<Numbers>& x) { return sinusoidal(x[0], 5); }),
      row<nn::RelativePositionBias>(
          "RelativePositionBias",
          built<nn::RelativePositionBias>(2, nn::RelativePositionOptions{.num_buckets = 8, .max_distance = 6}), {},
          [](const nn::RelativePositionBias& m, const Inputs&) { return m.forward(3, 9, 1); },
          [](const Known& p, const std::vector<Numbers>&) {
            Numbers y({2, 3, 9});
            for (int64_t h = 0; h < 2; ++h) {
              for (int64_t i = 0; i < 3; ++i) {
                for (int64_t j = 0; j < 9; ++j) y(h, i, j) = p["weight"](t5_bucket(j - i - 1, 8, 6), h);
              }
            }
            return y;
          }),
      row<nn::Sequential>(
          "Sequential",
          [] {
            return std::make_unique<nn::Sequential>(std::initializer_list<nn::Layer>{
                nn::make<nn::Linear>(4, 3), tanh, nn::make<nn::Linear>(3, 2, nn::LinearOptions{.bias = false})});
          },
          two,
          [](const Known& p, const Numbers& x) {
            const Numbers hidden = each(naive_linear(x, p["0.weight"], p["0.bias"]), naive_tanh);
            return naive_linear(hidden, p["2.weight"]);
          }),
  };
}

TEST(PReLU, LeavesAScalarOne) { EXPECT_CLOSE(nn::PReLU().forward(scalar(-2)), scalar(-0.5)); }

INSTANTIATE_TEST_SUITE_P(Basic, Layer, ::testing::ValuesIn(basic_rows()), row_name);

}  // namespace
}  // namespace fovea::test
