#include <fovea/fovea.h>

#include <cmath>

#include "support/layer_table.h"

namespace fovea::test {
namespace {

using Step = std::function<Tensor(const Tensor&, int64_t)>;

/// What AdaptiveDepth repeats in its rows: s / 2 + n / 5 + 0.1.
Tensor take_step(const Tensor& s, int64_t n) { return s * 0.5 + (0.2 * static_cast<double>(n) + 0.1); }

/// Row by row; the number of steps comes out as the last output.
std::vector<Numbers> pondered(const Known& p, const Numbers& x, int64_t greatest, double eps) {
  Numbers y(x.shape), ponder({x.size(0)}), steps({x.size(0)});
  for (int64_t row = 0; row < x.size(0); ++row) {
    std::vector<double> s;
    for (int64_t i = 0; i < x.size(1); ++i) s.push_back(x(row, i));
    double left = 1;
    for (int64_t n = 0; n < greatest; ++n) {
      double z = p["halt.bias"](0);
      for (size_t i = 0; i < s.size(); ++i) {
        s[i] = s[i] / 2 + 0.2 * static_cast<double>(n) + 0.1;
        z += p["halt.weight"](0, static_cast<int64_t>(i)) * s[i];
      }
      const double halt = naive_sigmoid(z);
      const bool stops = left - halt <= eps || n + 1 == greatest;
      for (int64_t i = 0; i < x.size(1); ++i) y(row, i) += (stops ? left : halt) * s[static_cast<size_t>(i)];
      if (stops) {
        ponder(row) = static_cast<double>(n + 1) + left;
        steps(row) = static_cast<double>(n + 1);
        break;
      }
      left -= halt;
    }
  }
  return {y, ponder, steps};
}

Numbers span_bias(const Known& p, double greatest, double ramp) {
  Numbers y({2, 3, 6});
  for (int64_t h = 0; h < 2; ++h) {
    for (int64_t i = 0; i < 3; ++i) {
      for (int64_t j = 0; j < 6; ++j) {
        const double z = std::clamp(p["span"](h), 0.0, 1.0) * greatest;
        const double m = std::clamp((ramp + z - std::abs(static_cast<double>(i + 2 - j))) / ramp, 0.0, 1.0);
        y(h, i, j) = m > 0 ? std::log(m) : -1e30;
      }
    }
  }
  return y;
}

std::vector<LayerRow> adaptive_rows() {
  return {
      row<nn::AdaptiveTemperature>("AdaptiveTemperature", built<nn::AdaptiveTemperature>(3, 5.0), random({2, 4, 3}),
                                   [](const Known& p, const Numbers& x) {
                                     return each(naive_linear(x, p["weight"], p["bias"]),
                                                 [](double v) { return std::pow(5, std::tanh(v)); });
                                   }),
      row<nn::AdaptiveSpan>(
          "AdaptiveSpan", built<nn::AdaptiveSpan>(2, nn::AdaptiveSpanOptions{.max_span = 7, .ramp = 2}), {},
          [](const nn::AdaptiveSpan& m, const Inputs&) { return m.forward(3, 6, 2); },
          [](const Known& p, const std::vector<Numbers>&) { return span_bias(p, 7, 2); }),
      row<nn::AdaptiveDepth>(
          "AdaptiveDepth", built<nn::AdaptiveDepth>(3, nn::AdaptiveDepthOptions{.max_steps = 4, .eps = 0.05}),
          {random({6, 3}) * 3.0},
          [](const nn::AdaptiveDepth& m, const Inputs& x) {
            const nn::Pondered out = m.forward(x[0], take_step);
            return Outputs{out.output, out.ponder, out.steps};
          },
          [](const Known& p, const std::vector<Numbers>& x) { return pondered(p, x[0], 4, 0.05); }),
  };
}

INSTANTIATE_TEST_SUITE_P(Adaptive, Layer, ::testing::ValuesIn(adaptive_rows()), row_name);

TEST(AdaptiveTemperature, BeginsAtOne) {
  EXPECT_CLOSE(nn::AdaptiveTemperature(3).forward(random({2, 3})).detach(), ones({2, 1}), 0, 0);
}

TEST(AdaptiveSpan, IsWhatThePaperDivides) {
  // m exp(s) / sum m exp(s), beside attention with the bias.
  nn::AdaptiveSpan span(2, {.max_span = 8, .ramp = 3});
  span.load_state_dict({{"span", tensor({0.2, 0.6})}});
  const Tensor q = random({1, 2, 5, 4}), k = random({1, 2, 5, 4}, {}, 2), v = random({1, 2, 5, 4}, {}, 3);
  const Tensor bias = span.forward(5, 5).detach();
  const Tensor raised = exp(matmul(q, k.mT()) * 0.5) * exp(bias);
  EXPECT_CLOSE(scaled_dot_product_attention(q, k, v, {.bias = bias}), matmul(raised / sum(raised, -1, true), v), 1e-4,
               1e-5);
  EXPECT_EQ(span.window(), 3 + 5);
  EXPECT_CLOSE(span.mean_span().detach(), full({}, 0.4));
  EXPECT_CLOSE(scaled_dot_product_attention(q, k, v, {.window = span.window(), .bias = bias}),
               scaled_dot_product_attention(q, k, v, {.bias = bias}));
}

TEST(AdaptiveDepth, CallsNoStepThatNoRowAsksFor) {
  nn::AdaptiveDepth depth(2, {.max_steps = 10});
  depth.load_state_dict({{"halt.weight", zeros({1, 2})}, {"halt.bias", tensor({10})}});
  int64_t calls = 0;
  const nn::Pondered out = depth.forward(ones({3, 2}), [&](const Tensor& s, int64_t) {
    ++calls;
    return s + 1.0;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_CLOSE(out.output.detach(), full({3, 2}, 2));
  depth.load_state_dict({{"halt.weight", zeros({1, 2})}, {"halt.bias", tensor({-10})}});
  EXPECT_CLOSE(depth.forward(ones({3, 2}), take_step).steps, full({3}, 10, {i32, {}}));
}

TEST(EarlyExitEncoder, RowsLeaveWhereTheyAreSure) {
  manual_seed(5);
  nn::EarlyExitEncoder model(4, 2, 3, 3, {.feedforward = 8, .dropout = 0});
  model.eval();
  const Tensor x = random({6, 5, 4});
  const Tensor keep = random({6, 5}, {}, 2) > -1.0;
  const std::vector<Tensor> every = model.forward(x, keep);
  std::vector<double> first = amax(softmax(every[0], -1), -1).detach().to_vector<double>();
  std::sort(first.begin(), first.end());
  const double confidence = (first[2] + first[3]) / 2;  // half of the rows reach it at the first exit
  const nn::Exited out = model.predict(x, keep, confidence);
  size_t early = 0;
  for (int64_t r = 0; r < 6; ++r) {
    int64_t depth = 1;
    while (depth < 3 && amax(softmax(every[static_cast<size_t>(depth - 1)].select(0, r), -1)).item() < confidence)
      ++depth;
    EXPECT_EQ(out.depth[static_cast<size_t>(r)], depth);
    EXPECT_CLOSE(out.logits.select(0, r), every[static_cast<size_t>(depth - 1)].select(0, r).detach(), 1e-4, 1e-5);
    early += depth == 1;
  }
  EXPECT_EQ(early, 3u);
}

}  // namespace
}  // namespace fovea::test
