#include "fovea/nn/recurrent.h"

#include <gmock/gmock.h>

#include <cmath>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea {
namespace {

using nn::GRU;
using nn::LSTM;
using nn::RecurrentLayer;
using nn::RNN;
using test::OnEveryDevice;
using ::testing::ElementsAre;

enum class Kind { rnn_tanh, rnn_relu, gru, lstm };

struct Case {
  Kind kind;
  int64_t layers;
  bool bidirectional;
  bool bias;
};

std::unique_ptr<RecurrentLayer> make(const Case& c, int64_t input, int64_t hidden) {
  const nn::RecurrentLayerOptions options{.layers = c.layers, .bidirectional = c.bidirectional, .bias = c.bias};
  switch (c.kind) {
    case Kind::gru:
      return std::make_unique<GRU>(input, hidden, options);
    case Kind::lstm:
      return std::make_unique<LSTM>(input, hidden, options);
    default:
      return std::make_unique<RNN>(
          input, hidden,
          nn::RNNOptions{
              .layers = c.layers, .bidirectional = c.bidirectional, .bias = c.bias, .relu = c.kind == Kind::rnn_relu});
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

using Row = std::vector<double>;

/// w [rows, x.size()] x + b.
Row affine(const std::map<std::string, Tensor>& p, const std::string& which, const Row& x) {
  const Row w = p.at("weight_" + which).to_vector<double>();
  Row out = p.contains("bias_" + which) ? p.at("bias_" + which).to_vector<double>() : Row(w.size() / x.size(), 0);
  for (size_t r = 0; r < out.size(); ++r) {
    for (size_t c = 0; c < x.size(); ++c) out[r] += w[r * x.size() + c] * x[c];
  }
  return out;
}

struct State {
  Row h, c;
};

/// PyTorch's documented formulas for one step.
State step(Kind kind, const std::map<std::string, Tensor>& p, const std::string& suffix, const Row& x,
           const State& before) {
  const Row xi = affine(p, "ih_" + suffix, x), hh = affine(p, "hh_" + suffix, before.h);
  const size_t n = before.h.size();
  State after{Row(n), Row(n)};
  for (size_t j = 0; j < n; ++j) {
    const auto both = [&](size_t gate) { return xi[gate * n + j] + hh[gate * n + j]; };
    switch (kind) {
      case Kind::rnn_tanh:
        after.h[j] = std::tanh(both(0));
        break;
      case Kind::rnn_relu:
        after.h[j] = std::max(both(0), 0.0);
        break;
      case Kind::gru: {
        const double r = sigmoid(both(0)), z = sigmoid(both(1)), c = std::tanh(xi[2 * n + j] + r * hh[2 * n + j]);
        after.h[j] = (1 - z) * c + z * before.h[j];
        break;
      }
      case Kind::lstm:
        after.c[j] = sigmoid(both(1)) * before.c[j] + sigmoid(both(0)) * std::tanh(both(2));
        after.h[j] = sigmoid(both(3)) * std::tanh(after.c[j]);
        break;
    }
  }
  return after;
}

struct Expected {
  Row output, h, c;  // [batch, time, directions * hidden], [layers * directions, batch, hidden] twice
};

/// One sequence after the other, one step after the other.
Expected naive(const RecurrentLayer& layer, const Case& c, const Tensor& x, const std::vector<int64_t>& lengths,
               const Row& h0, const Row& c0) {
  const std::map<std::string, Tensor> p = layer.state_dict();
  const auto batch = static_cast<size_t>(x.shape()[0]), time = static_cast<size_t>(x.shape()[1]);
  const auto hidden = static_cast<size_t>(layer.hidden()), dirs = static_cast<size_t>(layer.directions());
  Row below = x.to_vector<double>();
  size_t width = static_cast<size_t>(x.shape()[2]);
  Expected out;
  out.h.resize(static_cast<size_t>(c.layers) * dirs * batch * hidden);
  out.c.resize(out.h.size());
  for (size_t k = 0; k < static_cast<size_t>(c.layers); ++k) {
    out.output.assign(batch * time * dirs * hidden, 0);
    for (size_t d = 0; d < dirs; ++d) {
      const std::string suffix = fmt::format("l{}{}", k, d == 1 ? "_reverse" : "");
      for (size_t b = 0; b < batch; ++b) {
        const size_t at = ((k * dirs + d) * batch + b) * hidden;
        State state{Row(hidden, 0), Row(hidden, 0)};
        if (!h0.empty()) std::copy_n(h0.begin() + static_cast<std::ptrdiff_t>(at), hidden, state.h.begin());
        if (!c0.empty()) std::copy_n(c0.begin() + static_cast<std::ptrdiff_t>(at), hidden, state.c.begin());
        const auto length = static_cast<size_t>(lengths[b]);
        for (size_t i = 0; i < length; ++i) {
          const size_t t = d == 1 ? length - 1 - i : i;
          const auto from = below.begin() + static_cast<std::ptrdiff_t>((b * time + t) * width);
          state = step(c.kind, p, suffix, Row(from, from + static_cast<std::ptrdiff_t>(width)), state);
          std::copy(state.h.begin(), state.h.end(),
                    out.output.begin() + static_cast<std::ptrdiff_t>(((b * time + t) * dirs + d) * hidden));
        }
        std::copy(state.h.begin(), state.h.end(), out.h.begin() + static_cast<std::ptrdiff_t>(at));
        std::copy(state.c.begin(), state.c.end(), out.c.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
    below = out.output;
    width = dirs * hidden;
  }
  return out;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (Kind kind : {Kind::rnn_tanh, Kind::rnn_relu, Kind::gru, Kind::lstm}) {
    cases.push_back({kind, 1, false, true});
    cases.push_back({kind, 2, true, true});
    cases.push_back({kind, 1, true, false});
  }
  return cases;
}

std::string text(const Case& c) {
  return fmt::format("kind {} layers {} {}{}", static_cast<int>(c.kind), c.layers, c.bidirectional ? "both ways" : "",
                     c.bias ? "" : " no bias");
}

TEST(Recurrent, EqualsADirectComputation) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(text(c));
    const auto layer = make(c, 3, 4);
    layer->to(f64);
    const Tensor x = test::random({2, 5, 3}, {.dtype = f64});
    const nn::RecurrentOutput got = layer->forward(x);
    const Expected want = naive(*layer, c, x, {5, 5}, {}, {});
    EXPECT_CLOSE(got.output.detach(), want.output);
    EXPECT_CLOSE(got.h.detach(), want.h);
    EXPECT_EQ(got.h.shape(), (Shape{c.layers * layer->directions(), 2, 4}));
    ASSERT_EQ(got.c.defined(), c.kind == Kind::lstm);
    if (got.c.defined()) {
      EXPECT_CLOSE(got.c.detach(), want.c);
    }
  }
}

TEST(Recurrent, RunsEachSequenceToItsOwnLengthInAnyOrder) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(text(c));
    const auto layer = make(c, 3, 2);
    layer->to(f64);
    const Tensor x = test::random({4, 5, 3}, {.dtype = f64});
    const nn::RecurrentOutput got = layer->forward(x, from_vector(std::vector<int32_t>{2, 5, 0, 1}));
    const Expected want = naive(*layer, c, x, {2, 5, 0, 1}, {}, {});
    EXPECT_CLOSE(got.output.detach(), want.output);
    EXPECT_CLOSE(got.h.detach(), want.h);
    if (got.c.defined()) {
      EXPECT_CLOSE(got.c.detach(), want.c);
    }
  }
}

TEST(Recurrent, StartsFromGivenStates) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(text(c));
    const auto layer = make(c, 3, 2);
    layer->to(f64);
    const Shape shape{c.layers * layer->directions(), 2, 2};
    const Tensor x = test::random({2, 3, 3}, {.dtype = f64}), h0 = test::random(shape, {.dtype = f64}, 5);
    const Tensor c0 = c.kind == Kind::lstm ? test::random(shape, {.dtype = f64}, 6) : Tensor();
    const nn::RecurrentOutput got = layer->forward(x, {}, {h0, c0});
    const Expected want =
        naive(*layer, c, x, {3, 3}, h0.to_vector<double>(), c0.defined() ? c0.to_vector<double>() : Row());
    EXPECT_CLOSE(got.output.detach(), want.output);
    EXPECT_CLOSE(got.h.detach(), want.h);
  }
}

TEST(Recurrent, StepByStepEqualsTheWholeSequence) {
  GRU layer(3, 4);
  const Tensor x = test::random({2, 6, 3});
  const Tensor whole = layer.forward(x).output.detach();
  nn::RecurrentState state;
  for (int64_t t = 0; t < 6; ++t) {
    const nn::RecurrentOutput out = layer.forward(x.slice(1, t, t + 1), {}, state);
    EXPECT_CLOSE(out.output.detach().select(1, 0), whole.select(1, t));
    state.h = out.h;
  }
}

TEST(Recurrent, Gradients) {
  for (const Case& c : {Case{Kind::rnn_tanh, 1, true, true}, Case{Kind::gru, 1, true, true},
                        Case{Kind::gru, 2, false, false}, Case{Kind::lstm, 1, true, true}}) {
    SCOPED_TRACE(text(c));
    const auto layer = make(c, 2, 2);
    const Shape shape{c.layers * layer->directions(), 2, 2};
    const Tensor lengths = from_vector(std::vector<int32_t>{3, 2});
    EXPECT_TRUE(test::layer_gradients_hold(
        *layer, {test::random({2, 3, 2}), test::random(shape, {}, 2), test::random(shape, {}, 3)},
        [&](const std::vector<Tensor>& x) {
          nn::RecurrentOutput out = layer->forward(x[0], lengths, {x[1], c.kind == Kind::lstm ? x[2] : Tensor()});
          // The state that other kinds lack takes part all the same.
          std::vector<Tensor> outputs{out.output, out.h, x[2] * 1.0};
          if (out.c.defined()) outputs.push_back(out.c);
          return outputs;
        }));
  }
}

TEST(Recurrent, HasPyTorchsNamesShapesAndRange) {
  EXPECT_THAT(test::described(GRU(3, 4, {.layers = 2, .bidirectional = true})),
              ElementsAre("weight_ih_l0 [12, 3]", "weight_hh_l0 [12, 4]", "bias_ih_l0 [12]", "bias_hh_l0 [12]",
                          "weight_ih_l0_reverse [12, 3]", "weight_hh_l0_reverse [12, 4]", "bias_ih_l0_reverse [12]",
                          "bias_hh_l0_reverse [12]", "weight_ih_l1 [12, 8]", "weight_hh_l1 [12, 4]", "bias_ih_l1 [12]",
                          "bias_hh_l1 [12]", "weight_ih_l1_reverse [12, 8]", "weight_hh_l1_reverse [12, 4]",
                          "bias_ih_l1_reverse [12]", "bias_hh_l1_reverse [12]"));
  EXPECT_THAT(test::described(LSTM(3, 2, {.bias = false})), ElementsAre("weight_ih_l0 [8, 3]", "weight_hh_l0 [8, 2]"));
  EXPECT_THAT(test::described(RNN(3, 2)),
              ElementsAre("weight_ih_l0 [2, 3]", "weight_hh_l0 [2, 2]", "bias_ih_l0 [2]", "bias_hh_l0 [2]"));
  for (const Tensor& p : LSTM(50, 100).parameters()) {
    const double greatest = amax(abs(p)).item();
    EXPECT_LE(greatest, 0.1);
    EXPECT_GT(greatest, 0.09);
  }
}

TEST(Recurrent, DropsOutBetweenLayersInTrainingOnly) {
  GRU layer(3, 4, {.layers = 2, .dropout = 0.5});
  const Tensor x = test::random({2, 3, 3});
  EXPECT_NE(layer.forward(x).output.to_vector<float>(), layer.forward(x).output.to_vector<float>());
  layer.eval();
  EXPECT_EQ(layer.forward(x).output.to_vector<float>(), layer.forward(x).output.to_vector<float>());
  GRU one(3, 4, {.dropout = 0.5});  // no layer above: nothing to drop
  EXPECT_EQ(one.forward(x).output.to_vector<float>(), one.forward(x).output.to_vector<float>());
}

// Of large weights: a single step is another way than those of a sequence with lengths.
TEST_P(OnEveryDevice, RecurrentLayersTakeOneStepAsAnyOther) {
  const auto expect_same = [&](RecurrentLayer&& layer) {
    layer.to(device());
    const Shape states{2, 3, layer.hidden()};
    const nn::RecurrentState from{test::random(states, options()),
                                  layer.kind() == RecurrentKind::lstm ? test::random(states, options()) : Tensor()};
    const Tensor x = test::random({3, 1, 5}, options()), weight = test::random({3, 1, 2 * layer.hidden()}, options());
    const auto run = [&](const Tensor& lengths) {
      const nn::RecurrentOutput made = layer.forward(x, lengths, from);
      (sum(made.output * weight) + 2.0 * sum(made.h)).backward();
      std::vector<Tensor> all{made.output.detach(), made.h.detach()};
      if (made.c.defined()) all.push_back(made.c.detach());
      for (Tensor& parameter : layer.parameters()) {
        all.push_back(parameter.grad());
        parameter.zero_grad();
      }
      return all;
    };
    const std::vector<Tensor> one = run({}), other = run(full({3}, 1, {i32, device()}));
    ASSERT_EQ(one.size(), other.size());
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_CLOSE(one[i], other[i], 1e-4, 2e-5) << layer.description() << ", " << i;
    Tensor(one[1]).zero_();
    EXPECT_CLOSE(one[0], other[0], 1e-4, 2e-5) << "states have memory of their own";
  };
  expect_same(RNN(5, 200, {.bidirectional = true}));
  expect_same(RNN(5, 200, {.bidirectional = true, .bias = false, .relu = true}));
  expect_same(GRU(5, 120, {.bidirectional = true}));
  expect_same(LSTM(5, 100, {.bidirectional = true}));
}

TEST(Recurrent, TakesEmptyBatchesAndSequences) {
  LSTM layer(3, 4, {.bidirectional = true});
  EXPECT_EQ(layer.forward(ones({0, 5, 3})).output.shape(), (Shape{0, 5, 8}));
  const nn::RecurrentOutput out = layer.forward(ones({2, 0, 3}));
  EXPECT_EQ(out.output.shape(), (Shape{2, 0, 8}));
  EXPECT_CLOSE(out.h.detach(), zeros({2, 2, 4}));
}

TEST(Recurrent, NamesMisuse) {
  GRU layer(3, 4);
  EXPECT_ERROR(layer.forward(ones({2, 5, 4})), "GRU: input [2, 5, 4] is not [batch, time, 3] (recurrent_test.cpp:");
  EXPECT_ERROR(layer.forward(ones({5, 3})), "GRU: input [5, 3] is not [batch, time, 3] (recurrent_test.cpp:");
  EXPECT_ERROR(layer.forward(ones({2, 5, 3}), {}, {ones({2, 4}), {}}),
               "GRU: initial state [2, 4] is not [1, 2, 4] (recurrent_test.cpp:");
  EXPECT_ERROR(layer.forward(ones({2, 5, 3}), {}, {{}, ones({1, 2, 4})}), "GRU: only an LSTM has a cell state");
  EXPECT_ERROR(layer.forward(ones({2, 5, 3}), ones({2})), "recurrent: lengths must be i32, not f32 (recurrent_test.c");
  EXPECT_ERROR(layer.forward(ones({2, 5, 3}), zeros({3}, {.dtype = i32})), "recurrent: lengths [3] for a batch of 2");
  const RecurrentDirection one{ones({2, 5, 12}), ones({12, 4}), {}, {}};
  RecurrentDirection other = one;
  other.projected = ones({2, 6, 12});
  EXPECT_ERROR(recurrent(std::vector<RecurrentDirection>{}), "recurrent: a layer has one direction or two, not 0");
  EXPECT_ERROR(
      recurrent(std::vector{one, other}),
      "recurrent: the directions of a layer differ in kind, dtype or input gates: f32 [2, 5, 12] and f32 [2, 6, 12]");
  EXPECT_ERROR(GRU(3, 0), "GRU: input 3, hidden 0 and layers 1 must be positive 32-bit numbers (recurrent_test.cpp:");
  EXPECT_ERROR(GRU(3, int64_t{1} << 62), "GRU: input 3, hidden 4611686018427387904 and layers 1 must be");
  EXPECT_ERROR(GRU(INT32_MAX, INT32_MAX, {.layers = 2}), "empty: ");
  EXPECT_ERROR(layer.forward(ones({2, 5, 3}), {}, {.h = ones({1})}), "GRU: initial state [1] is not [1, 2, 4]");
}

}  // namespace
}  // namespace fovea
