#include "fovea/nn/recurrent_cell.h"

#include <algorithm>

#include "fovea/autograd/matmul.h"
#include "fovea/nn/init.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

RecurrentCell::RecurrentCell(RecurrentKind kind, int64_t input, int64_t hidden, bool bias, Caller caller)
    : kind_(kind) {
  if (input < 0 || hidden < 1 || std::max(input, hidden) > INT32_MAX) {
    raise<ValueError>(caller, "{}: input {} and hidden {} must be positive 32-bit numbers", name(), input, hidden);
  }
  const auto make = [&](Tensor& parameter, const char* name, const Shape& shape) {
    parameter = init::by_fan(shape, hidden, caller);
    add(name, parameter);
  };
  const int64_t rows = gates(kind) * hidden;
  make(weight_ih, "weight_ih", {rows, input});
  make(weight_hh, "weight_hh", {rows, hidden});
  if (!bias) return;
  make(bias_ih, "bias_ih", {rows});
  make(bias_hh, "bias_hh", {rows});
}

const char* RecurrentCell::name() const {
  return kind_ == RecurrentKind::gru ? "GRUCell" : kind_ == RecurrentKind::lstm ? "LSTMCell" : "RNNCell";
}

RecurrentState RecurrentCell::step(const Tensor& x, RecurrentState before, Caller caller) const {
  const Scope scope(*this, caller);
  raw::check_defined(name(), x, caller);
  if (x.rank() != 2 || x.shape()[1] != input()) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, {}]", name(), x.shape(), input());
  }
  const Shape expected{x.shape()[0], hidden()};
  for (Tensor* state : {&before.h, &before.c}) {
    if (state->defined() && state->shape() != expected)
      raise<ShapeError>(caller, "{}: state {} is not {}", name(), state->shape(), expected);
    if (!state->defined() && (state == &before.h || kind_ == RecurrentKind::lstm))
      *state = zeros(expected, x.options());
  }
  return recurrent_step(kind_, linear(x, weight_ih, bias_ih, caller), linear(before.h, weight_hh, bias_hh, caller),
                        before, caller);
}

std::string RecurrentCell::description() const {
  return fmt::format("{}, {}{}", input(), hidden(), bias_ih.defined() ? "" : ", bias=false");
}

RNNCell::RNNCell(int64_t input, int64_t hidden, RNNCellOptions options, Caller caller)
    : RecurrentCell(options.relu ? RecurrentKind::rnn_relu : RecurrentKind::rnn_tanh, input, hidden, options.bias,
                    caller) {}
Tensor RNNCell::forward(const Tensor& x, const Tensor& h, Caller caller) const { return step(x, {h}, caller).h; }

GRUCell::GRUCell(int64_t input, int64_t hidden, RecurrentCellOptions options, Caller caller)
    : RecurrentCell(RecurrentKind::gru, input, hidden, options.bias, caller) {}
Tensor GRUCell::forward(const Tensor& x, const Tensor& h, Caller caller) const { return step(x, {h}, caller).h; }

LSTMCell::LSTMCell(int64_t input, int64_t hidden, RecurrentCellOptions options, Caller caller)
    : RecurrentCell(RecurrentKind::lstm, input, hidden, options.bias, caller) {}
RecurrentState LSTMCell::forward(const Tensor& x, const RecurrentState& state, Caller caller) const {
  return step(x, state, caller);
}

}  // namespace fovea::nn
