#include "backends/recurrent_layer.h"
#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using RecurrentTest = VulkanTest;

/// A device that runs whole sequences in one launch, or none of them.
class RecurrentDevice {
 public:
  explicit RecurrentDevice(bool sequences, bool watched = false) {
    vulkan::EngineOptions options;
    options.recurrent_sequences = sequences;
    options.debug.bounds = watched;
    backend_.emplace(0, vulkan::instance().devices().front(), options);
  }
  operator Backend&() { return *backend_; }
  VulkanCounters counters() { return backend_->counters(); }

 private:
  std::optional<vulkan::VulkanBackend> backend_;
};

/// Runs a layer's forward and backward pass; T is Array or Mirror.
template <class T>
void run(Backend& device, const Setting& s, const T& projected, const T& weight, const T& bias, const T& lengths,
         const T& h0, const T& c0, const T& output, const T& h_last, const T& c_last, const T& reserve,
         const T& doutput, const T& dh_last, const T& dc_last, const T& dprojected, const T& dweight, const T& dbias,
         const T& dh0, const T& dc0) {
  const bool lstm = s.kind == CellKind::lstm;
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

void expect_agreement(Backend& device, const Layer& l) {
  const Setting& s = l.s;
  SCOPED_TRACE(fmt::format("kind {} batch {} time {} hidden {} reverse {} lengths {} state {} bias {}",
                           static_cast<int>(s.kind), s.batch, s.time, s.hidden, s.reverse, s.with_lengths, s.with_state,
                           s.with_bias));
  const auto mirror = [&](const Array& array) { return Mirror(array, device); };
  const Mirror projected = mirror(l.projected), weight = mirror(l.weight), bias = mirror(l.bias),
               lengths = mirror(l.lengths), h0 = mirror(l.h0), c0 = mirror(l.c0), output = mirror(l.output),
               h_last = mirror(l.h_last), c_last = mirror(l.c_last), reserve = mirror(l.reserve),
               doutput = mirror(l.doutput), dh_last = mirror(l.dh_last), dc_last = mirror(l.dc_last),
               dprojected = mirror(l.dprojected), dweight = mirror(l.dweight), dbias = mirror(l.dbias),
               dh0 = mirror(l.dh0), dc0 = mirror(l.dc0);
  run(cpu(), s, l.projected, l.weight, l.bias, l.lengths, l.h0, l.c0, l.output, l.h_last, l.c_last, l.reserve,
      l.doutput, l.dh_last, l.dc_last, l.dprojected, l.dweight, l.dbias, l.dh0, l.dc0);
  run(device, s, projected, weight, bias, lengths, h0, c0, output, h_last, c_last, reserve, doutput, dh_last, dc_last,
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

void expect_agreement(Backend& device, const Setting& s) { expect_agreement(device, Layer(s)); }

TEST_F(RecurrentTest, EveryKindAgreesWithTheCpu) {
  for (bool sequences : {false, true}) {
    SCOPED_TRACE(sequences);
    RecurrentDevice device(sequences, sequences);
    for (CellKind kind : {CellKind::rnn_tanh, CellKind::rnn_relu, CellKind::gru, CellKind::lstm}) {
      for (bool reverse : {false, true}) {
        for (bool more : {false, true})
          expect_agreement(device, {.kind = kind, .reverse = reverse, .with_lengths = more, .with_state = more});
      }
      expect_agreement(device, {.kind = kind, .with_lengths = true, .with_bias = false});
    }
  }
}

TEST_F(RecurrentTest, AnySizesAgreeWithTheCpu) {
  for (bool sequences : {false, true}) {
    SCOPED_TRACE(sequences);
    RecurrentDevice device(sequences);
    for (CellKind kind : {CellKind::gru, CellKind::lstm}) {
      for (int64_t hidden : {1, 17, 40}) {
        if (sequences && hidden == 40) continue;  // each size is a shader of its own
        for (int64_t batch : {1, 9, 40})
          expect_agreement(device, {.kind = kind, .batch = batch, .time = 3, .hidden = hidden, .with_state = true});
      }
      expect_agreement(device, {.kind = kind, .batch = 2, .time = 0, .with_state = true});
      expect_agreement(device, {.kind = kind, .batch = 0, .with_state = true});
    }
  }
}

TEST_F(RecurrentTest, SequencesOfManyMembersAndWideLayersAgreeWithTheCpu) {
  RecurrentDevice device(true);
  for (int64_t batch : {70, 131})  // two and four to a workgroup
    expect_agreement(device, {.kind = CellKind::gru, .batch = batch, .time = 4, .hidden = 5, .with_lengths = true});
  // Four members of so many units would be more threads than a workgroup has.
  expect_agreement(device, {.kind = CellKind::rnn_tanh, .batch = 131, .time = 2, .hidden = 300});
  expect_agreement(device, {.kind = CellKind::lstm, .batch = 2, .time = 2, .hidden = 256});
  expect_agreement(device, {.kind = CellKind::lstm, .batch = 2, .time = 2, .hidden = 257});  // a launch for each step
}

/// An LSTM's forward pass with nothing that a call may leave out.
struct PlainPass {
  Mirror projected, weight, output, h_last, c_last;
  bool reverse;

  PlainPass(const Layer& l, Backend& device)
      : projected(l.projected, device),
        weight(l.weight, device),
        output(l.output, device),
        h_last(l.h_last, device),
        c_last(l.c_last, device),
        reverse(l.s.reverse) {}
  RecurrentCall call() const {
    return {.kind = CellKind::lstm,
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

// What is left of a quad of units is filled up with zeros, whatever the memory held before.
TEST_F(RecurrentTest, SequencesReadNothingOfWhatMemoryHeldBefore) {
  vulkan::EngineOptions options;
  options.recurrent_sequences = true;
  options.debug.poison = true;
  vulkan::VulkanBackend device(0, vulkan::instance().devices().front(), options);
  { const BufferRef freed = device.allocate(size_t{1} << 20); }
  for (int i = 0; i < 2; ++i)
    expect_agreement(device, {.kind = CellKind::lstm, .batch = 3, .time = 3, .hidden = 6, .with_state = true});
}

TEST_F(RecurrentTest, AStepIsOneDispatchOrAllAreOne) {
  const Layer layer({.kind = CellKind::lstm, .batch = 4, .time = 20, .hidden = 8});
  for (bool sequences : {false, true}) {
    RecurrentDevice device(sequences);
    const PlainPass pass(layer, device);
    const uint64_t before = device.counters().dispatches;
    static_cast<Backend&>(device).recurrent(std::array{pass.call()});
    EXPECT_EQ(device.counters().dispatches - before, sequences ? 2u : 20u) << "with a copy of the weights";
  }
}

/// A forward pass from zeros without bias on `device`, and the last states.
Array last_states(Backend& device, const Layer& l) {
  const Mirror projected(l.projected, device), weight(l.weight, device), lengths(l.lengths, device),
      output(l.output, device), h_last(l.h_last, device), c_last(l.c_last, device);
  device.recurrent(std::array{RecurrentCall{.kind = l.s.kind,
                                            .projected = projected,
                                            .weight_hh = weight,
                                            .bias_hh = nullptr,
                                            .lengths = l.s.with_lengths ? &lengths : nullptr,
                                            .h0 = nullptr,
                                            .c0 = nullptr,
                                            .output = output,
                                            .h_last = h_last,
                                            .c_last = l.s.kind == CellKind::lstm ? &c_last : nullptr,
                                            .reserve = nullptr}});
  return h_last.pull();
}

TEST_F(RecurrentTest, BothPathsRefuseALengthThatIsNone) {
  Layer layer({.kind = CellKind::gru, .with_lengths = true});
  for (bool sequences : {false, true}) {
    RecurrentDevice device(sequences, true);
    for (int length : {-1, 6}) {
      layer.lengths.set(1, length);
      try {
        last_states(device, layer);
        ADD_FAILURE() << "no error";
      } catch (const IndexError& error) {
        EXPECT_EQ(std::string(error.what()), fmt::format("recurrent: index {} is outside [0, 6)", length));
      }
    }
  }
}

TEST_F(RecurrentTest, BothPathsKeepNaN) {
  for (bool sequences : {false, true}) {
    RecurrentDevice device(sequences);
    for (CellKind kind : {CellKind::rnn_tanh, CellKind::rnn_relu, CellKind::gru, CellKind::lstm}) {
      Layer layer({.kind = kind, .batch = 2, .time = 3});
      layer.projected.set(0, std::nan(""));  // the first member's, of one gate of one unit
      const Array last = last_states(device, layer);
      for (int64_t unit = 0; unit < layer.s.hidden; ++unit) {
        EXPECT_TRUE(std::isnan(last.get(unit))) << static_cast<int>(kind) << " unit " << unit;
        EXPECT_FALSE(std::isnan(last.get(layer.s.hidden + unit)));
      }
    }
  }
}

TEST_F(RecurrentTest, DirectionsShareTheirBarriersAndGiveTheBitsOfEachAlone) {
  Setting s{.kind = CellKind::lstm, .batch = 4, .time = 20, .hidden = 8};
  const Layer one(s);
  s.reverse = true;
  const Layer other(s);
  for (bool sequences : {false, true}) {
    RecurrentDevice owner(sequences);
    Backend& device = owner;
    const auto barriers = [&](auto work) {
      const uint64_t before = owner.counters().barriers;
      work();
      return owner.counters().barriers - before;
    };
    const PlainPass one_alone(one, device), other_alone(other, device), one_of_two(one, device),
        other_of_two(other, device);
    const uint64_t alone = barriers([&] { device.recurrent(std::array{one_alone.call()}); });
    device.recurrent(std::array{other_alone.call()});
    const uint64_t together = barriers([&] { device.recurrent(std::array{one_of_two.call(), other_of_two.call()}); });
    EXPECT_GE(alone, sequences ? 1u : 19u) << "each step reads what the last has written";
    EXPECT_LE(together, alone + 1);
    for (const auto& [each, of_two] : {std::pair{&one_alone, &one_of_two}, {&other_alone, &other_of_two}}) {
      EXPECT_EQ(each->output.pull().values(), of_two->output.pull().values());
      EXPECT_EQ(each->h_last.pull().values(), of_two->h_last.pull().values());
      EXPECT_EQ(each->c_last.pull().values(), of_two->c_last.pull().values());
    }
  }
}

}  // namespace
}  // namespace fovea::test
