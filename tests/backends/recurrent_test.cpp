#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "backends/array.h"

namespace fovea::test {
namespace {

using CellKind = RecurrentKind;

struct Setting {
  CellKind kind = CellKind::gru;
  int64_t batch = 3, time = 5, hidden = 4;
  bool reverse = false, with_lengths = false, with_state = false, with_bias = true;
  DType dtype = f64;

  bool lstm() const { return kind == CellKind::lstm; }
  std::string text() const {
    return fmt::format("kind {} batch {} time {} hidden {} reverse {} lengths {} state {} {}", static_cast<int>(kind),
                       batch, time, hidden, reverse, with_lengths, with_state, dtype);
  }
};

// A layer's inputs, outputs and gradients; output and its gradient are slices of wider tensors.
struct Layer {
  Setting s;
  Array projected, weight, bias, lengths, h0, c0, output, h_last, c_last, reserve;
  Array doutput, dh_last, dc_last, dprojected, dweight, dbias, dh0, dc0;

  explicit Layer(const Setting& setting) : s(setting) {
    const int64_t all = gates(s.kind) * s.hidden;
    projected = noise({s.batch, s.time, all}, 1, s.dtype);
    weight = noise({all, s.hidden}, 2, s.dtype);
    for (int64_t i = 0; i < weight.numel(); ++i)
      weight.set(i, weight.get(i) / std::sqrt(static_cast<double>(s.hidden)));
    bias = noise({all}, 3, s.dtype);
    lengths = make({s.batch}, i32);
    for (int64_t b = 0; b < s.batch; ++b) lengths.set(b, static_cast<double>(b * 7 % (s.time + 1)));
    h0 = noise({s.batch, s.hidden}, 4, s.dtype);
    c0 = noise({s.batch, s.hidden}, 5, s.dtype);
    output = slice(full({s.batch, s.time, 2 * s.hidden}, 77, s.dtype));
    h_last = full({s.batch, s.hidden}, 77, s.dtype);
    c_last = full({s.batch, s.hidden}, 77, s.dtype);
    reserve = full({s.batch, s.time, reserve_width(s.kind) * s.hidden}, std::nan(""), s.dtype);
    doutput = slice(noise({s.batch, s.time, 2 * s.hidden}, 6, s.dtype));
    dh_last = noise({s.batch, s.hidden}, 7, s.dtype);
    dc_last = noise({s.batch, s.hidden}, 8, s.dtype);
    dprojected = full({s.batch, s.time, all}, 77, s.dtype);
    dweight = full({all, s.hidden}, 77, s.dtype);
    dbias = full({all}, 77, s.dtype);
    dh0 = full({s.batch, s.hidden}, 77, s.dtype);
    dc0 = full({s.batch, s.hidden}, 77, s.dtype);
  }

  Array slice(Array wide) const {
    wide.view.shape[2] = s.hidden;
    wide.view.offset = s.hidden;
    return wide;
  }
  int64_t length(int64_t b) const { return s.with_lengths ? static_cast<int64_t>(lengths.get(b)) : s.time; }

  RecurrentCall call(bool with_reserve = true) const {
    return {.kind = s.kind,
            .projected = projected,
            .weight_hh = weight,
            .bias_hh = s.with_bias ? &bias : nullptr,
            .lengths = s.with_lengths ? &lengths : nullptr,
            .h0 = s.with_state ? &h0 : nullptr,
            .c0 = s.with_state && s.lstm() ? &c0 : nullptr,
            .reverse = s.reverse,
            .output = output,
            .h_last = h_last,
            .c_last = s.lstm() ? &c_last : nullptr,
            .reserve = with_reserve ? &reserve : nullptr};
  }
  void forward() const { cpu().recurrent(std::array{call()}); }
  void backward() const {
    const RecurrentCall done = call();
    cpu().recurrent_backward(std::array{backward_call(done)});
  }
  RecurrentBackwardCall backward_call(const RecurrentCall& done) const {
    return {.forward = done,
            .doutput = doutput,
            .dh_last = s.with_state ? &dh_last : nullptr,
            .dc_last = s.with_state && s.lstm() ? &dc_last : nullptr,
            .dprojected = dprojected,
            .dweight_hh = dweight,
            .dbias_hh = s.with_bias ? &dbias : nullptr,
            .dh0 = s.with_state ? &dh0 : nullptr,
            .dc0 = s.with_state && s.lstm() ? &dc0 : nullptr};
  }
};

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

std::vector<Setting> settings(const std::vector<std::array<int64_t, 3>>& sizes, DType dtype) {
  std::vector<Setting> all;
  for (CellKind kind : {CellKind::rnn_tanh, CellKind::rnn_relu, CellKind::gru, CellKind::lstm}) {
    for (const auto& [batch, time, hidden] : sizes) {
      for (int flags = 0; flags < 16; ++flags) {
        if (hidden > 200 && flags != 7) continue;
        all.push_back({.kind = kind,
                       .batch = batch,
                       .time = time,
                       .hidden = hidden,
                       .reverse = (flags & 1) != 0,
                       .with_lengths = (flags & 2) != 0,
                       .with_state = (flags & 4) != 0,
                       .with_bias = (flags & 8) == 0,
                       .dtype = dtype});
      }
    }
  }
  return all;
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
  for (Setting s : settings({{17, 7, 17}, {33, 4, 64}, {70, 3, 65}, {2, 6, 130}, {0, 4, 3}, {4, 0, 3}}, f32)) {
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
  for (Setting s : settings({{1, 9, 130}, {1, 40, 160}, {37, 7, 20}, {0, 3, 4}}, f32)) {
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

TEST(Recurrent, CarriesNaN) {
  for (CellKind kind : {CellKind::rnn_tanh, CellKind::rnn_relu, CellKind::gru, CellKind::lstm}) {
    const Layer layer(Setting{.kind = kind, .dtype = f32});
    for (int64_t g = 0; g < gates(kind); ++g) layer.projected.set(g * 4, std::nan(""));
    layer.forward();
    EXPECT_TRUE(std::isnan(layer.output.get(0)));
  }
}

TEST(Recurrent, GivesTheSameBytesOnAnyNumberOfThreadsAndInsideARegion) {
  for (const Setting& s : settings({{67, 9, 40}, {9, 3, 300}}, f32)) {
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
