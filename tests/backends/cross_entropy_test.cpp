#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/array.h"

namespace fovea::test {
namespace {

struct LossProblem {
  Array logits, targets, weight;
  bool weighted;
  double smoothing;
  int64_t ignore;

  int64_t classes() const { return logits.view.shape[1]; }
  double class_weight(int64_t c) const { return weighted ? weight.get(c) : 1; }

  double loss(int64_t row) const {
    const auto t = static_cast<int64_t>(targets.get(row));
    if (t == ignore) return 0;
    double sum = 0;
    for (int64_t c = 0; c < classes(); ++c) sum += std::exp(logits.get(row * classes() + c));
    const double lse = std::log(sum);
    double spread = 0;
    for (int64_t c = 0; c < classes(); ++c) spread += class_weight(c) * (lse - logits.get(row * classes() + c));
    return (1 - smoothing) * class_weight(t) * (lse - logits.get(row * classes() + t)) +
           smoothing / static_cast<double>(classes()) * spread;
  }
};

LossProblem problem(int64_t rows, int64_t classes, DType dtype, bool weighted, double smoothing) {
  LossProblem p{
      noise({rows, classes}, 1, dtype), make({rows}, i32), noise({classes}, 2, dtype), weighted, smoothing, -100};
  for (int64_t i = 0; i < p.logits.numel(); ++i) p.logits.set(i, 3 * p.logits.get(i));
  for (int64_t c = 0; c < classes; ++c) p.weight.set(c, 0.5 + std::abs(p.weight.get(c)));
  for (int64_t row = 0; row < rows; ++row)
    p.targets.set(row, row % 5 == 4 ? -100.0 : static_cast<double>(row * 7 % classes));
  return p;
}

TEST(CrossEntropy, EqualsTheDefinition) {
  for (DType dtype : {f32, f64, f16}) {
    for (const auto& [rows, classes] : {std::pair{0, 3}, {1, 1}, {17, 3}, {65, 130}, {5, 5000}}) {
      for (bool weighted : {false, true}) {
        for (double smoothing : {0.0, 0.1}) {
          const LossProblem p = problem(rows, classes, dtype, weighted, smoothing);
          const Array loss = full({rows}, 9, dtype);
          cpu().cross_entropy({.logits = p.logits,
                               .targets = p.targets,
                               .class_weight = weighted ? &p.weight : nullptr,
                               .loss = loss,
                               .label_smoothing = smoothing});
          std::vector<double> want;
          for (int64_t row = 0; row < rows; ++row) want.push_back(p.loss(row));
          SCOPED_TRACE(fmt::format("{} x {} {}", rows, classes, dtype));
          expect_close(loss.values(), want, 2 * tolerance(dtype));
        }
      }
    }
  }
}

TEST(CrossEntropy, BackwardEqualsFiniteDifferences) {
  for (const auto& [rows, classes] : {std::pair{1, 1}, {7, 3}, {6, 65}}) {
    for (bool weighted : {false, true}) {
      for (double smoothing : {0.0, 0.1}) {
        const LossProblem p = problem(rows, classes, f64, weighted, smoothing);
        const Array loss = make({rows}, f64), dloss = noise({rows}, 5, f64);
        const Array d = full({rows, classes}, 9, f64);
        cpu().cross_entropy({.logits = p.logits,
                             .targets = p.targets,
                             .class_weight = weighted ? &p.weight : nullptr,
                             .loss = loss,
                             .label_smoothing = smoothing});
        cpu().cross_entropy_backward({.logits = p.logits,
                                      .targets = p.targets,
                                      .class_weight = weighted ? &p.weight : nullptr,
                                      .dloss = dloss,
                                      .dlogits = d,
                                      .label_smoothing = smoothing});
        for (int64_t i = 0; i < p.logits.numel(); ++i) {
          const double x = p.logits.get(i), step = 1e-5;
          p.logits.set(i, x + step);
          const double up = p.loss(i / classes);
          p.logits.set(i, x - step);
          const double down = p.loss(i / classes);
          p.logits.set(i, x);
          ASSERT_NEAR(d.get(i), dloss.get(i / classes) * (up - down) / (2 * step), 1e-8);
        }
      }
    }
  }
}

TEST(CrossEntropy, StaysFiniteForLargeLogits) {
  const Array logits = from({2, 3}, {1e4, 0, -1e4, 1e30, 0, 0}), targets = from({2}, {2, 0}, i32);
  const Array loss = make({2}), dloss = full({2}, 1), d = make({2, 3});
  cpu().cross_entropy({.logits = logits, .targets = targets, .class_weight = nullptr, .loss = loss});
  cpu().cross_entropy_backward(
      {.logits = logits, .targets = targets, .class_weight = nullptr, .dloss = dloss, .dlogits = d});
  EXPECT_EQ(loss.values(), (std::vector<double>{2e4, 0}));
  EXPECT_EQ(d.values(), (std::vector<double>{1, 0, -1, 0, 0, 0}));
}

TEST(CrossEntropy, KeepsTheDigitsOfLargeLogits) {
  for (double large : {1e4, 1e6, 1e7}) {
    const Array logits = full({1, 4}, large), targets = from({1}, {2}, i32);
    const Array loss = make({1}), dloss = full({1}, 1), d = make({1, 4});
    for (double smoothing : {0.0, 0.1}) {
      cpu().cross_entropy({logits, targets, nullptr, loss, smoothing});
      EXPECT_NEAR(loss.get(0), std::log(4.0), 1e-6);
    }
    cpu().cross_entropy_backward({logits, targets, nullptr, dloss, d});
    EXPECT_EQ(d.values(), (std::vector<double>{0.25, 0.25, -0.75, 0.25}));
  }
}

TEST(CrossEntropy, RefusesATargetThatIsNoClass) {
  const Array logits = noise({2, 3}, 1), loss = make({2});
  for (double wrong : {3.0, -1.0}) {
    const Array targets = from({2}, {0, wrong}, i32);
    try {
      cpu().cross_entropy({.logits = logits, .targets = targets, .class_weight = nullptr, .loss = loss});
      FAIL() << wrong;
    } catch (const IndexError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(fmt::format("target {} at row 1 is outside [0, 3)", wrong)));
    }
  }
}

}  // namespace
}  // namespace fovea::test
