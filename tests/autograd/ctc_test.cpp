#include "fovea/autograd/ctc.h"

#include <cmath>

#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

Tensor ids(const std::vector<int32_t>& values, const Shape& shape) { return from_vector(values, shape); }
Tensor ids(const std::vector<int32_t>& values) { return from_vector(values); }

/// Minus the log of the summed probabilities of every path of classes that spells `target`: by going through them all.
double naive(const Tensor& x, int64_t row, int64_t length, const std::vector<int32_t>& target, int32_t blank) {
  const std::vector<double> logs = x.to_vector<double>();
  const int64_t batch = x.shape()[1], classes = x.shape()[2];
  int64_t paths = 1;
  for (int64_t t = 0; t < length; ++t) paths *= classes;
  double total = 0;
  for (int64_t path = 0; path < paths; ++path) {
    std::vector<int32_t> spelled;
    double log_probability = 0;
    int64_t rest = path;
    int32_t before = -1;
    for (int64_t t = 0; t < length; ++t, rest /= classes) {
      const auto label = static_cast<int32_t>(rest % classes);
      log_probability += logs[static_cast<size_t>((t * batch + row) * classes + label)];
      if (label != before && label != blank) spelled.push_back(label);
      before = label;
    }
    if (spelled == target) total += std::exp(log_probability);
  }
  return -std::log(total);
}

const std::vector<std::vector<int32_t>> targets{{1, 2}, {2, 2}, {1}, {}, {2, 1, 2}};
const Tensor padded = ids({1, 2, 0, 2, 2, -5, 1, 9, 9, 0, 0, 0, 2, 1, 2}, {5, 3});
const Tensor lengths = ids({2, 2, 1, 0, 3});
const Tensor inputs = ids({5, 4, 1, 3, 5});

Tensor log_probabilities(TensorOptions options) { return log_softmax(random({5, 5, 3}, options), -1); }

TEST_P(OnEveryDevice, CTCSumsOverAllPaths) {
  const Tensor x = log_probabilities(options());
  std::vector<double> want;
  for (int64_t row = 0; row < 5; ++row) {
    want.push_back(naive(x, row, inputs.select(0, row).item<int64_t>(), targets[static_cast<size_t>(row)], 0));
  }
  EXPECT_CLOSE(ctc_loss(x, padded, inputs, lengths, {.reduction = Reduction::none}), want, 2e-5, 2e-5);
  const Tensor in_a_row = ids({1, 2, 2, 2, 1, 2, 1, 2});
  EXPECT_CLOSE(ctc_loss(x, in_a_row, inputs, lengths, {.reduction = Reduction::none}), want, 2e-5, 2e-5);
  // PyTorch's mean divides each loss by its target's length, at least 1.
  const double mean = (want[0] / 2 + want[1] / 2 + want[2] + want[3] + want[4] / 3) / 5;
  EXPECT_CLOSE(ctc_loss(x, padded, inputs, lengths), {mean}, 2e-5, 2e-5);
  EXPECT_CLOSE(ctc_loss(x, padded, inputs, lengths, {.reduction = Reduction::sum}),
               {want[0] + want[1] + want[2] + want[3] + want[4]}, 2e-5, 2e-5);
}

TEST(CTC, TakesAnyBlank) {
  const Tensor x = log_probabilities({f64, {}});
  const Tensor loss = ctc_loss(x, ids({0, 1, 1, 0, 1, 1, 0, 1, 1, 0}, {5, 2}), ids({5, 5, 5, 5, 4}),
                               ids({2, 2, 2, 1, 2}), {.blank = 2, .reduction = Reduction::none});
  EXPECT_CLOSE(loss, {naive(x, 0, 5, {0, 1}, 2), naive(x, 1, 5, {1, 0}, 2), naive(x, 2, 5, {1, 1}, 2),
                      naive(x, 3, 5, {0}, 2), naive(x, 4, 4, {1, 0}, 2)});
}

TEST_P(OnEveryDevice, CTCKeepsWhatDoesNotFitOutOfTheGradient) {
  // Two equal labels need three steps, and no input spells nothing but nothing.
  const Tensor short_inputs = ids({5, 2, 1, 0, 5});
  for (const bool zero : {false, true}) {
    Tensor x = log_probabilities(options()).detach().set_requires_grad();
    const Tensor loss =
        ctc_loss(x, padded, short_inputs, lengths, {.reduction = Reduction::none, .zero_infinity = zero});
    const std::vector<double> values = loss.detach().to_vector<double>();
    EXPECT_EQ(values[1], zero ? 0 : INFINITY);
    EXPECT_EQ(values[3], 0);
    loss.backward(ones({5}, options()));
    EXPECT_CLOSE(x.grad().select(1, 1), zeros({5, 3}), 0, 0);
    EXPECT_CLOSE(sum(x.grad().select(1, 0)), {-5}, 1e-5, 1e-5);  // a label's share of every step
  }
}

TEST(CTC, OverflowsNowhere) {
  // 400 steps of small probabilities, and one that is 0.
  const Tensor x = log_softmax(random({400, 1, 20}, {f32, {}}) * 3.0, -1);
  const Tensor target = ids({3, 3, 7, 1, 19, 2, 2, 2, 5}, {1, 9});
  const auto loss = [&](const Tensor& y) { return ctc_loss(y, target, ids({400}), ids({9})); };
  EXPECT_CLOSE(loss(x), loss(x.to(f64)).to(f32), 1e-5, 1e-5);
  Tensor never = x.clone();
  never.slice(2, 4, 5).fill_(-INFINITY);
  never.set_requires_grad();
  const Tensor same = loss(never);
  EXPECT_CLOSE(same.detach(), loss(x));
  same.backward();
  EXPECT_FALSE(any(isnan(never.grad())).item<bool>());
}

TEST_P(OnEveryDevice, CTCOfHalvesIsThatOfFloats) {
  for (const DType dtype : {f16, bf16}) {
    Tensor x = log_probabilities({dtype, device()}).detach().set_requires_grad();
    Tensor wide = x.detach().to(f32).set_requires_grad();
    const Tensor loss = ctc_loss(x, padded, inputs, lengths), want = ctc_loss(wide, padded, inputs, lengths);
    EXPECT_EQ(loss.dtype(), dtype);
    EXPECT_CLOSE(loss.detach().to(f32), want.detach(), 1e-2, 1e-2);
    loss.backward();
    want.backward();
    EXPECT_CLOSE(x.grad().to(f32), wide.grad(), 1e-2, 1e-2);
  }
}

TEST(CTC, NamesMisuse) {
  const Tensor x = log_probabilities({});
  EXPECT_ERROR(ctc_loss(ones({5, 5, 3}, {i32}), padded, inputs, lengths),
               "ctc_loss: needs a floating dtype, not i32; convert with .to(f32) (ctc_test.cpp:");
  EXPECT_ERROR(ctc_loss(ones({5, 3}), padded, inputs, lengths),
               "ctc_loss: log-probabilities [5, 3] are not [time, batch, classes] (ctc_test.cpp:");
  EXPECT_ERROR(ctc_loss(x, padded, ids({5, 4, 1, 3, 6}), lengths),
               "ctc_loss: lengths 6 and 3 in row 4 of inputs [5, 5, 3] and targets [5, 3]");
  EXPECT_ERROR(ctc_loss(x, padded, inputs, ids({2, 2, 1, 0, 4})),
               "ctc_loss: lengths 5 and 4 in row 4 of inputs [5, 5, 3] and targets [5, 3]");
  EXPECT_ERROR(ctc_loss(x, padded, inputs, ids({2, 2, 2, 0, 3})),
               "ctc_loss: target 9 in row 2; classes are 0 to 2 without 0");
  EXPECT_ERROR(
      ctc_loss(x.slice(1, 0, 4), padded, inputs, lengths),
      "ctc_loss: input lengths [5] of i32 are not i32 [4], for log-probabilities [5, 4, 3]: [time, batch, classes]");
  EXPECT_ERROR(ctc_loss(x, ids({1, 2}), inputs, lengths), "ctc_loss: targets [2] of i32 are neither i32 [5, longest]");
  EXPECT_ERROR(ctc_loss(x, padded, inputs, lengths, {.blank = 3}), "ctc_loss: blank 3 of 3 classes");
}

}  // namespace
}  // namespace fovea::test
