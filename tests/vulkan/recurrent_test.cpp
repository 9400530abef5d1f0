#include <array>

#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using Kind = RecurrentKind;
using RecurrentTest = VulkanTest;

struct Setting {
  Kind kind = Kind::gru;
  int64_t batch = 3, time = 5, hidden = 4;
  bool reverse = false, with_lengths = false, with_state = false, with_bias = true;
};

/// A layer's inputs, outputs and gradients; output and its gradient are slices of wider tensors.
struct Layer {
  Setting s;
  Array projected, weight, bias, lengths, h0, c0, output, h_last, c_last, reserve;
  Array doutput, dh_last, dc_last, dprojected, dweight, dbias, dh0, dc0;

  explicit Layer(const Setting& setting) : s(setting) {
    const int64_t all = gates(s.kind) * s.hidden;
    projected = noise({s.batch, s.time, all}, 1);
    weight = noise({all, s.hidden}, 2);
    bias = noise({all}, 3);
    lengths = make({s.batch}, i32);
    for (int64_t b = 0; b < s.batch; ++b) lengths.set(b, static_cast<double>(b * 7 % (s.time + 1)));
    h0 = noise({s.batch, s.hidden}, 4);
    c0 = noise({s.batch, s.hidden}, 5);
    output = slice(full({s.batch, s.time, 2 * s.hidden}, 77));
    h_last = make({s.batch, s.hidden});
    c_last = make({s.batch, s.hidden});
    reserve = full({s.batch, s.time, reserve_width(s.kind) * s.hidden}, std::nan(""));
    doutput = slice(noise({s.batch, s.time, 2 * s.hidden}, 6));
    dh_last = noise({s.batch, s.hidden}, 7);
    dc_last = noise({s.batch, s.hidden}, 8);
    dprojected = make({s.batch, s.time, all});
    dweight = make({all, s.hidden});
    dbias = make({all});
    dh0 = make({s.batch, s.hidden});
    dc0 = make({s.batch, s.hidden});
  }
  Array slice(Array wide) const {
    wide.view.shape[2] = s.hidden;
    wide.view.offset = s.hidden;
    return wide;
  }
};

/// Runs a layer's forward and backward pass; T is Array or Mirror.
template <class T>
void run(Backend& device, const Setting& s, const T& projected, const T& weight, const T& bias, const T& lengths,
         const T& h0, const T& c0, const T& output, const T& h_last, const T& c_last, const T& reserve,
         const T& doutput, const T& dh_last, const T& dc_last, const T& dprojected, const T& dweight, const T& dbias,
         const T& dh0, const T& dc0) {
  const bool lstm = s.kind == Kind::lstm;
  const RecurrentCall forward{.kind = s.kind,
                              .projected = projected,
                              .weight_hh = weight,
                              .bias_hh = s.with_bias ? &bias : nullptr,
                              .lengths = s.with_lengths ? &lengths : nullptr,
                              .h0 = s.with_state ? &h0 : nullptr,
                              .c0 = s.with_state && lstm ? &c0 : nullptr,
                              .reverse = s.reverse,
                              .output = output,
                              .h_last = h_last,
                              .c_last = lstm ? &c_last : nullptr,
                              .reserve = &reserve};
  device.recurrent(std::array{forward});
  device.recurrent_backward(std::array{RecurrentBackwardCall{.forward = forward,
                                                             .doutput = doutput,
                                                             .dh_last = s.with_state ? &dh_last : nullptr,
                                                             .dc_last = s.with_state && lstm ? &dc_last : nullptr,
                                                             .dprojected = dprojected,
                                                             .dweight_hh = dweight,
                                                             .dbias_hh = s.with_bias ? &dbias : nullptr,
                                                             .dh0 = s.with_state ? &dh0 : nullptr,
                                                             .dc0 = s.with_state && lstm ? &dc0 : nullptr}});
}

void expect_agreement(const Setting& s) {
  SCOPED_TRACE(fmt::format("kind {} batch {} time {} hidden {} reverse {} lengths {} state {} bias {}",
                           static_cast<int>(s.kind), s.batch, s.time, s.hidden, s.reverse, s.with_lengths, s.with_state,
                           s.with_bias));
  const Layer l(s);
  const Mirror projected(l.projected), weight(l.weight), bias(l.bias), lengths(l.lengths), h0(l.h0), c0(l.c0),
      output(l.output), h_last(l.h_last), c_last(l.c_last), reserve(l.reserve), doutput(l.doutput), dh_last(l.dh_last),
      dc_last(l.dc_last), dprojected(l.dprojected), dweight(l.dweight), dbias(l.dbias), dh0(l.dh0), dc0(l.dc0);
  run(cpu(), s, l.projected, l.weight, l.bias, l.lengths, l.h0, l.c0, l.output, l.h_last, l.c_last, l.reserve,
      l.doutput, l.dh_last, l.dc_last, l.dprojected, l.dweight, l.dbias, l.dh0, l.dc0);
  run(gpu(), s, projected, weight, bias, lengths, h0, c0, output, h_last, c_last, reserve, doutput, dh_last, dc_last,
      dprojected, dweight, dbias, dh0, dc0);
  expect_same(output, l.output, 2e-5);
  expect_same(h_last, l.h_last, 2e-5);
  expect_same(c_last, l.c_last, 2e-5);
  expect_same(dprojected, l.dprojected, 1e-4);
  expect_same(dweight, l.dweight, 2e-4);
  expect_same(dbias, l.dbias, 2e-4);
  expect_same(dh0, l.dh0, 1e-4);
  expect_same(dc0, l.dc0, 1e-4);
}

TEST_F(RecurrentTest, EveryKindAgreesWithTheCpu) {
  for (Kind kind : {Kind::rnn_tanh, Kind::rnn_relu, Kind::gru, Kind::lstm}) {
    for (bool reverse : {false, true}) {
      for (bool more : {false, true})
        expect_agreement({.kind = kind, .reverse = reverse, .with_lengths = more, .with_state = more});
    }
    expect_agreement({.kind = kind, .with_lengths = true, .with_bias = false});
  }
}

TEST_F(RecurrentTest, AnySizesAgreeWithTheCpu) {
  for (Kind kind : {Kind::gru, Kind::lstm}) {
    for (int64_t batch : {1, 9, 40}) {
      for (int64_t hidden : {1, 17, 40})
        expect_agreement({.kind = kind, .batch = batch, .time = 3, .hidden = hidden, .with_state = true});
    }
    expect_agreement({.kind = kind, .batch = 2, .time = 0, .with_state = true});
    expect_agreement({.kind = kind, .batch = 0, .with_state = true});
  }
}

/// An LSTM's forward pass with nothing that a call may leave out.
struct PlainPass {
  Mirror projected, weight, output, h_last, c_last;
  bool reverse;

  explicit PlainPass(const Layer& l)
      : projected(l.projected),
        weight(l.weight),
        output(l.output),
        h_last(l.h_last),
        c_last(l.c_last),
        reverse(l.s.reverse) {}
  RecurrentCall call() const {
    return {.kind = Kind::lstm,
            .projected = projected,
            .weight_hh = weight,
            .bias_hh = nullptr,
            .lengths = nullptr,
            .h0 = nullptr,
            .c0 = nullptr,
            .reverse = reverse,
            .output = output,
            .h_last = h_last,
            .c_last = &c_last,
            .reserve = nullptr};
  }
};

TEST_F(RecurrentTest, AStepIsOneDispatch) {
  const PlainPass pass(Layer({.kind = Kind::lstm, .batch = 4, .time = 20, .hidden = 8}));
  const uint64_t before = vulkan_counters().dispatches;
  gpu().recurrent(std::array{pass.call()});
  EXPECT_EQ(vulkan_counters().dispatches - before, 20u);
}

TEST_F(RecurrentTest, DirectionsShareTheirBarriersAndGiveTheBitsOfEachAlone) {
  const auto barriers = [](auto work) {
    const uint64_t before = vulkan_counters().barriers;
    work();
    return vulkan_counters().barriers - before;
  };
  Setting s{.kind = Kind::lstm, .batch = 4, .time = 20, .hidden = 8};
  const Layer one(s);
  s.reverse = true;
  const Layer other(s);
  const PlainPass one_alone(one), other_alone(other), one_of_two(one), other_of_two(other);
  const uint64_t alone = barriers([&] { gpu().recurrent(std::array{one_alone.call()}); });
  gpu().recurrent(std::array{other_alone.call()});
  const uint64_t together = barriers([&] { gpu().recurrent(std::array{one_of_two.call(), other_of_two.call()}); });
  EXPECT_GE(alone, 19u) << "each step reads what the last has written";
  EXPECT_LE(together, alone + 1);
  for (const auto& [each, of_two] : {std::pair{&one_alone, &one_of_two}, {&other_alone, &other_of_two}}) {
    EXPECT_EQ(each->output.pull().values(), of_two->output.pull().values());
    EXPECT_EQ(each->h_last.pull().values(), of_two->h_last.pull().values());
    EXPECT_EQ(each->c_last.pull().values(), of_two->c_last.pull().values());
  }
}

}  // namespace
}  // namespace fovea::test
