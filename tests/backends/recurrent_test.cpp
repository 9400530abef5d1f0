#include <gtest/gtest.h>

#include "backends/recurrent_layer.h"

namespace fovea::test {
namespace {

struct Outputs {
  std::vector<double> output, h_last, c_last;
};

// One sequence after the other, one step after the other, PyTorch's formulas.
Outputs naive(const Layer& layer) {
  const Setting& s = layer.s;
  const int64_t hidden = s.hidden, all = gates(s.kind) * hidden;
  Outputs result;
  const std::vector<double> projected = layer.projected.values(), weight = layer.weight.values(),
                            bias = layer.bias.values();
  result.output.assign(static_cast<size_t>(s.batch * s.time * hidden), 0);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  for (int64_t b = 0; b < s.batch; ++b) {
    std::vector<double> h(static_cast<size_t>(hidden)), c(h);
    for (int64_t j = 0; j < hidden && s.with_state; ++j) {
      h[static_cast<size_t>(j)] = layer.h0.get(b * hidden + j);
      if (s.lstm()) c[static_cast<size_t>(j)] = layer.c0.get(b * hidden + j);
    }
    for (int64_t step = 0; step < layer.length(b); ++step) {
      const int64_t t = s.reverse ? layer.length(b) - 1 - step : step;
      std::vector<double> next(h);
      for (int64_t j = 0; j < hidden; ++j) {
        const auto x = [&](int64_t g) {
          return projected[static_cast<size_t>((b * s.time + t) * all + g * hidden + j)];
        };
        const auto w = [&](int64_t g) {
          double sum = s.with_bias ? bias[static_cast<size_t>(g * hidden + j)] : 0;
          for (int64_t k = 0; k < hidden; ++k)
            sum += weight[static_cast<size_t>((g * hidden + j) * hidden + k)] * h[static_cast<size_t>(k)];
          return sum;
        };
        double& to = next[static_cast<size_t>(j)];
        if (s.kind == CellKind::gru) {
          const double r = sigmoid(x(0) + w(0)), z = sigmoid(x(1) + w(1)), n = std::tanh(x(2) + r * w(2));
          to = (1 - z) * n + z * h[static_cast<size_t>(j)];
        } else if (s.lstm()) {
          double& cell = c[static_cast<size_t>(j)];
          cell = sigmoid(x(1) + w(1)) * cell + sigmoid(x(0) + w(0)) * std::tanh(x(2) + w(2));
          to = sigmoid(x(3) + w(3)) * std::tanh(cell);
        } else {
          const double sum = x(0) + w(0);
          to = s.kind == CellKind::rnn_tanh ? std::tanh(sum) : std::max(sum, 0.0);
        }
        result.output[static_cast<size_t>((b * s.time + t) * hidden + j)] = to;
      }
      h = next;
    }
    result.h_last.insert(result.h_last.end(), h.begin(), h.end());
    result.c_last.insert(result.c_last.end(), c.begin(), c.end());
  }
  return result;
}

TEST(Recurrent, EqualsTheStepByStepDefinition) {
  for (DType dtype : {f32, f64}) {
    for (const Setting& s : settings({{1, 1, 1},
                                      {3, 5, 4},
                                      {17, 7, 17},
                                      {33, 4, 64},
                                      {70, 3, 65},
                                      {2, 6, 130},
                                      {0, 4, 3},
                                      {4, 0, 3},
                                      {66, 2, 300},
                                      {32, 3, 64},  // whole blocks of 16 rows
                                      {30, 2, 97},
                                      {9, 3, 300}},  // one block of rows: threads share a step's units
                                     dtype)) {
      SCOPED_TRACE(s.text());
      const Layer layer(s);
      layer.forward();
      const Outputs want = naive(layer);
      expect_close(layer.output.values(), want.output, tolerance(dtype));
      expect_close(layer.h_last.values(), want.h_last, tolerance(dtype));
      if (s.lstm()) expect_close(layer.c_last.values(), want.c_last, tolerance(dtype));
      // The other half of the wide output is not ours.
      for (int64_t i = 0; i < s.batch * s.time; ++i) {
        for (int64_t j = 0; j < s.hidden; ++j) {
          const int64_t at = i * 2 * s.hidden + j;
          ASSERT_EQ(dtype == f32 ? reinterpret_cast<float*>(layer.output.buffer->host())[at]
                                 : reinterpret_cast<double*>(layer.output.buffer->host())[at],
                    77);
        }
      }
    }
  }
}

TEST(Recurrent, BackwardEqualsFiniteDifferences) {
  for (const Setting& s : settings({{1, 1, 1}, {3, 5, 4}, {4, 6, 9}}, f64)) {
    SCOPED_TRACE(s.text());
    const Layer layer(s);
    layer.forward();
    layer.backward();
    layer.backward();  // the reserve is not consumed
    const auto loss = [&] {
      const Outputs out = naive(layer);
      double sum = 0;
      for (int64_t i = 0; i < layer.doutput.numel(); ++i)
        sum += out.output[static_cast<size_t>(i)] * layer.doutput.get(i);
      for (int64_t i = 0; i < layer.h_last.numel() && s.with_state; ++i) {
        sum += out.h_last[static_cast<size_t>(i)] * layer.dh_last.get(i);
        if (s.lstm()) sum += out.c_last[static_cast<size_t>(i)] * layer.dc_last.get(i);
      }
      return sum;
    };
    const auto check = [&](const char* what, const Array& input, const Array& gradient) {
      for (int64_t i = 0; i < input.numel(); ++i) {
        const double x = input.get(i), step = 1e-5;
        input.set(i, x + step);
        const double up = loss();
        input.set(i, x - step);
        const double down = loss();
        input.set(i, x);
        ASSERT_NEAR(gradient.get(i), (up - down) / (2 * step), 1e-7) << what << " at " << i;
      }
    };
    check("projected", layer.projected, layer.dprojected);
    check("weight", layer.weight, layer.dweight);
    if (s.with_bias) check("bias", layer.bias, layer.dbias);
    if (s.with_state) check("h0", layer.h0, layer.dh0);
    if (s.with_state && s.lstm()) check("c0", layer.c0, layer.dc0);
  }
}

// The loops in f64 were checked against differences: those in f32, over wider shapes, against these.
TEST(Recurrent, BackwardInFloatEqualsThatInDouble) {
  for (Setting s : settings(
           {{17, 7, 17}, {33, 4, 64}, {70, 3, 65}, {32, 5, 64}, {30, 3, 97}, {2, 6, 130}, {0, 4, 3}, {4, 0, 3}}, f32)) {
    SCOPED_TRACE(s.text());
    const Layer layer(s);
    s.dtype = f64;
    const Layer reference(s);
    for (const auto& [from, to] : {std::pair{&Layer::projected, &Layer::projected},
                                   {&Layer::weight, &Layer::weight},
                                   {&Layer::bias, &Layer::bias},
                                   {&Layer::h0, &Layer::h0},
                                   {&Layer::c0, &Layer::c0},
                                   {&Layer::doutput, &Layer::doutput},
                                   {&Layer::dh_last, &Layer::dh_last},
                                   {&Layer::dc_last, &Layer::dc_last}}) {
      for (int64_t i = 0; i < (layer.*from).numel(); ++i) (reference.*to).set(i, (layer.*from).get(i));
    }
    for (const Layer* each : {&layer, &reference}) {
      each->forward();
      each->backward();
    }
    const double near = 2e-4;
    expect_close(layer.dprojected.values(), reference.dprojected.values(), near);
    expect_close(layer.dweight.values(), reference.dweight.values(), near);
    if (s.with_bias) expect_close(layer.dbias.values(), reference.dbias.values(), near);
    if (s.with_state) expect_close(layer.dh0.values(), reference.dh0.values(), near);
    if (s.with_state && s.lstm()) expect_close(layer.dc0.values(), reference.dc0.values(), near);
  }
}

TEST(Recurrent, TwoDirectionsAtOnceGiveTheBitsOfEachAlone) {
  for (Setting s : settings({{1, 9, 130}, {1, 40, 160}, {37, 7, 20}, {32, 4, 80}, {0, 3, 4}}, f32)) {
    Setting back = s;
    back.reverse = !s.reverse;
    const Layer one(s), other(back), both_one(s), both_other(back);
    for (const Layer* layer : {&one, &other}) {
      layer->forward();
      layer->backward();
    }
    const RecurrentCall calls[] = {both_one.call(), both_other.call()};
    cpu().recurrent(calls);
    cpu().recurrent_backward(std::array{both_one.backward_call(calls[0]), both_other.backward_call(calls[1])});
    for (const auto& [alone, together] : {std::pair{&one, &both_one}, {&other, &both_other}}) {
      EXPECT_EQ(alone->output.bytes(), together->output.bytes());
      EXPECT_EQ(alone->h_last.bytes(), together->h_last.bytes());
      EXPECT_EQ(alone->dprojected.bytes(), together->dprojected.bytes());
      EXPECT_EQ(alone->dweight.bytes(), together->dweight.bytes());
    }
  }
}

TEST(Recurrent, NeedsNoReserveForInference) {
  for (const Setting& s : settings({{17, 7, 17}}, f32)) {
    const Layer with(s), without(s);
    with.forward();
    const RecurrentCall call = without.call(false);
    cpu().recurrent(std::array{call});
    EXPECT_EQ(with.output.bytes(), without.output.bytes());
    EXPECT_EQ(with.h_last.bytes(), without.h_last.bytes());
  }
}

TEST(Recurrent, ARowDoesNotDependOnItsNeighbours) {
  for (Setting s : settings({{37, 7, 20}}, f32)) {
    const Layer all(s);
    all.forward();
    s.batch = 1;
    for (int64_t b : {0, 5, 36}) {
      const Layer one(s);
      const int64_t width = gates(s.kind) * s.hidden * s.time;
      for (int64_t i = 0; i < width; ++i) one.projected.set(i, all.projected.get(b * width + i));
      for (int64_t j = 0; j < s.hidden; ++j) {
        one.h0.set(j, all.h0.get(b * s.hidden + j));
        one.c0.set(j, all.c0.get(b * s.hidden + j));
      }
      one.lengths.set(0, all.lengths.get(b));
      one.forward();
      for (int64_t i = 0; i < s.time * s.hidden; ++i)
        ASSERT_EQ(one.output.get(i), all.output.get(b * s.time * s.hidden + i)) << s.text();
    }
  }
}

TEST(Recurrent, RefusesALengthThatIsNone) {
  for (int length : {-1, 6}) {
    const Layer layer({.with_lengths = true});
    layer.lengths.set(1, length);
    try {
      layer.forward();
      ADD_FAILURE() << "no error";
    } catch (const IndexError& error) {
      const std::string want = fmt::format("recurrent: length {} of sequence 1 is outside [0, 5]", length);
      EXPECT_TRUE(std::string(error.what()).starts_with(want)) << error.what();
    }
  }
}

TEST(Recurrent, TakesLengthsThatLieApart) {
  Layer apart({.with_lengths = true});
  const Layer dense({.with_lengths = true});
  Array wide = full({3, 2}, 5, i32);
  for (int64_t b = 0; b < 3; ++b) wide.set(2 * b, dense.lengths.get(b));
  wide.view.shape = {3};
  wide.view.strides = {2};
  apart.lengths = wide;
  apart.forward();
  dense.forward();
  EXPECT_EQ(apart.output.values(), dense.output.values());
}

TEST(Recurrent, CarriesNaN) {
  for (CellKind kind : {CellKind::rnn_tanh, CellKind::rnn_relu, CellKind::gru, CellKind::lstm}) {
    const Layer layer(Setting{.kind = kind, .dtype = f32});
    for (int64_t g = 0; g < gates(kind); ++g) layer.projected.set(g * 4, std::nan(""));
    layer.forward();
    EXPECT_TRUE(std::isnan(layer.output.get(0)));
  }
}

// Also where products take whole blocks of rows at a time, and weights meet the zeros that stand for rows which have ended.
TEST(Recurrent, KeepsWhatIsInfiniteOrNaNToItsRow) {
  for (const double odd : {std::nan(""), HUGE_VAL}) {
    for (Setting s : settings({{32, 4, 64}}, f32)) {
      if (!s.with_state || s.kind == CellKind::rnn_relu) continue;
      SCOPED_TRACE(s.text());
      const Layer clean(s), layer(s);
      const int64_t row = 17;
      layer.lengths.set(row, 4);
      clean.lengths.set(row, 4);
      layer.h0.set(row * s.hidden + 5, odd);
      layer.dh_last.set(19 * s.hidden + 9, odd);
      for (const Layer* each : {&clean, &layer}) {
        each->forward();
        each->backward();
      }
      EXPECT_TRUE(std::isnan(layer.output.get(row * 4 * s.hidden)) || std::isinf(odd));
      for (int64_t i = 0; i < 32 * s.hidden; ++i) {
        if (i / s.hidden == row) continue;
        ASSERT_EQ(layer.h_last.get(i), clean.h_last.get(i)) << i;
        if (i / s.hidden == 19) continue;
        ASSERT_EQ(layer.dh0.get(i), clean.dh0.get(i)) << i;
      }
    }
  }
}

// An infinite state times a weight: what f32's own instructions give, never NaN in its place.
TEST(Recurrent, AnInfiniteStateSaturatesItsGates) {
  Setting s{.kind = CellKind::rnn_tanh, .batch = 16, .time = 1, .hidden = 64, .with_state = true, .with_bias = false};
  const Layer layer(s);
  for (int64_t i = 0; i < 16 * 64; ++i) layer.h0.set(i, i % 64 == 33 ? HUGE_VAL : 0.5);
  layer.forward();
  for (int64_t i = 0; i < 16 * 64; ++i)
    ASSERT_EQ(layer.output.get(i), layer.weight.get(i % 64 * 64 + 33) > 0 ? 1 : -1) << i;
}

TEST(Recurrent, GivesTheSameBytesOnAnyNumberOfThreadsAndInsideARegion) {
  for (const Setting& s : settings({{67, 9, 40}, {48, 5, 80}, {9, 3, 300}, {16, 3, 300}}, f32)) {
    if (!s.with_lengths || !s.with_state || !s.with_bias) continue;
    const auto run = [&] {
      const Layer layer(s);
      layer.forward();
      layer.backward();
      return std::vector{layer.output, layer.h_last, layer.dprojected, layer.dweight,
                         layer.dbias,  layer.dh0,    layer.dc0};
    };
    expect_same_bytes_on_any_threads(run);
    const std::vector<Array> want = run();
    std::vector<Array> got[2];
#pragma omp parallel for num_threads(2)
    for (int direction = 0; direction < 2; ++direction) got[direction] = run();
    for (const auto& each : got) {
      for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(each[i].bytes(), want[i].bytes()) << s.text();
    }
  }
}

}  // namespace
}  // namespace fovea::test
