#include "fovea/nn/recurrent_cell.h"

#include <gmock/gmock.h>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea {
namespace {

using nn::GRUCell;
using nn::LSTMCell;
using nn::RecurrentState;
using nn::RNNCell;
using test::OnEveryDevice;

std::map<std::string, Tensor> named(const nn::Module& module) {
  std::map<std::string, Tensor> parameters;
  for (const auto& [name, tensor] : module.named_parameters()) parameters[name] = tensor;
  return parameters;
}

/// The cell with the layer's parameters, one step after the other: outputs and gradients are the layer's.
template <class Step>
void expect_steps_of(const nn::RecurrentLayer& layer, nn::RecurrentCell& cell, TensorOptions options,
                     const Step& step) {
  nn::StateDict state;
  for (const auto& [name, tensor] : layer.state_dict()) state[name.substr(0, name.size() - 3)] = tensor;
  cell.load_state_dict(state);
  const Tensor x = test::random({3, 5, 4}, options).set_requires_grad(), y = raw::clone(x).set_requires_grad();
  const Tensor weights = test::random({3, 5, layer.hidden()}, options);
  std::vector<Tensor> outputs;
  RecurrentState at;
  for (const Tensor& input : x.unbind(1)) outputs.push_back((at = step(input, at)).h);
  const nn::RecurrentOutput expected = layer.forward(y);
  EXPECT_CLOSE(stack(outputs, 1).detach(), expected.output.detach());
  EXPECT_CLOSE(at.h.detach(), expected.h.detach().select(0, 0));
  sum(stack(outputs, 1) * weights).backward();
  sum(expected.output * weights).backward();
  EXPECT_CLOSE(x.grad(), y.grad());
  const auto of_cell = named(cell), of_layer = named(layer);
  EXPECT_EQ(of_cell.size(), of_layer.size());
  for (const auto& [name, parameter] : of_cell) {
    SCOPED_TRACE(name);
    EXPECT_CLOSE(parameter.grad(), of_layer.at(name + "_l0").grad());
  }
}

TEST_P(OnEveryDevice, CellsTakeTheStepsOfTheirLayers) {
  for (const bool bias : {true, false}) {
    for (const bool relu : {true, false}) {
      nn::RNN rnn(4, 6, {.bias = bias, .relu = relu});
      RNNCell cell(4, 6, {.bias = bias, .relu = relu});
      rnn.to(device());
      cell.to(device());
      expect_steps_of(rnn, cell, options(),
                      [&](const Tensor& x, const RecurrentState& s) { return RecurrentState{cell.forward(x, s.h)}; });
    }
    nn::GRU gru(4, 6, {.bias = bias});
    GRUCell gru_cell(4, 6, {.bias = bias});
    gru.to(device());
    gru_cell.to(device());
    expect_steps_of(gru, gru_cell, options(),
                    [&](const Tensor& x, const RecurrentState& s) { return RecurrentState{gru_cell.forward(x, s.h)}; });
    nn::LSTM lstm(4, 6, {.bias = bias});
    LSTMCell lstm_cell(4, 6, {.bias = bias});
    lstm.to(device());
    lstm_cell.to(device());
    expect_steps_of(lstm, lstm_cell, options(),
                    [&](const Tensor& x, const RecurrentState& s) { return lstm_cell.forward(x, s); });
  }
}

TEST(RecurrentCell, HasPyTorchsParameters) {
  EXPECT_THAT(test::described(LSTMCell(3, 4)),
              ::testing::ElementsAre("weight_ih [16, 3]", "weight_hh [16, 4]", "bias_ih [16]", "bias_hh [16]"));
  EXPECT_THAT(test::described(GRUCell(3, 4, {.bias = false})),
              ::testing::ElementsAre("weight_ih [12, 3]", "weight_hh [12, 4]"));
  EXPECT_EQ(RNNCell(3, 4).description(), "3, 4");
  EXPECT_EQ(RNNCell(3, 4, {.bias = false}).description(), "3, 4, bias=false");
}

TEST(RecurrentCell, TakesEmptyBatches) {
  const RecurrentState after = LSTMCell(3, 4).forward(ones({0, 3}));
  EXPECT_EQ(after.h.shape(), (Shape{0, 4}));
  EXPECT_EQ(after.c.shape(), (Shape{0, 4}));
}

TEST(RecurrentCell, NamesMisuse) {
  const GRUCell cell(3, 4);
  EXPECT_ERROR(cell.forward(ones({2, 4})), "GRUCell: input [2, 4] is not [batch, 3] (recurrent_cell_test.cpp:");
  EXPECT_ERROR(cell.forward(ones({2, 1, 3})), "GRUCell: input [2, 1, 3] is not [batch, 3] (recurrent_cell_test.cpp:");
  EXPECT_ERROR(cell.forward(ones({2, 3}), ones({1, 4})),
               "GRUCell: state [1, 4] is not [2, 4] (recurrent_cell_test.cpp:");
  EXPECT_ERROR(cell.forward({}), "GRUCell: an undefined tensor is used (recurrent_cell_test.cpp:");
  EXPECT_ERROR(LSTMCell(3, 4).forward(ones({2, 3}), {ones({2, 4}), ones({2, 5})}),
               "LSTMCell: state [2, 5] is not [2, 4]");
  EXPECT_ERROR(RNNCell(3, 0),
               "RNNCell: input 3 and hidden 0 must be positive 32-bit numbers (recurrent_cell_test.cpp:");
  const Tensor gates = ones({2, 12}), h = ones({2, 4});
  EXPECT_ERROR(recurrent_step(RecurrentKind::gru, gates, gates, {h, h}),
               "recurrent_step: an LSTM has a cell state, other kinds have none (recurrent_cell_test.cpp:");
  EXPECT_ERROR(recurrent_step(RecurrentKind::lstm, gates, gates, {h, h}),
               "recurrent_step: gates [2, 12] and [2, 12] do not fit the state [2, 4] and [2, 4]");
  EXPECT_ERROR(recurrent_step(RecurrentKind::gru, gates, gates, {}), "recurrent_step: an undefined tensor is used");
  EXPECT_ERROR(recurrent_step(RecurrentKind::gru, gates, ones({2, 12}, {f64}), {h}), "recurrent_step: dtypes differ");
}

}  // namespace
}  // namespace fovea
