#include "fovea/nn/recurrent.h"

#include <algorithm>

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/dropout.h"
#include "fovea/nn/init.h"

namespace fovea::nn {
namespace {

const char* name(RecurrentKind kind) {
  return kind == RecurrentKind::gru ? "GRU" : kind == RecurrentKind::lstm ? "LSTM" : "RNN";
}

}  // namespace

RecurrentLayer::RecurrentLayer(RecurrentKind kind, int64_t input, int64_t hidden, RecurrentLayerOptions options,
                               Caller caller)
    : kind_(kind), input_(input), hidden_(hidden), options_(options) {
  if (input < 0 || hidden < 1 || options.layers < 1 || std::max({input, hidden, options.layers}) > INT32_MAX) {
    raise<ValueError>(caller, "{}: input {}, hidden {} and layers {} must be positive 32-bit numbers", name(kind),
                      input, hidden, options.layers);
  }
  if (!(options.dropout >= 0 && options.dropout <= 1)) {
    raise<ValueError>(caller, "{}: dropout {} is not between 0 and 1", name(kind), options.dropout);
  }
  const int64_t rows = gates(kind) * hidden;
  parameters_.resize(static_cast<size_t>(options.layers * directions()));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto k = static_cast<int64_t>(i) / directions();
    const std::string suffix = fmt::format("l{}{}", k, static_cast<int64_t>(i) % directions() == 1 ? "_reverse" : "");
    const auto make = [&](Tensor& parameter, const char* name, const Shape& shape) {
      parameter = init::by_fan(shape, hidden, caller);
      add(fmt::format("{}_{}", name, suffix), parameter);
    };
    Direction& direction = parameters_[i];
    make(direction.weight_ih, "weight_ih", {rows, k == 0 ? input : hidden * directions()});
    make(direction.weight_hh, "weight_hh", {rows, hidden});
    if (!options.bias) continue;
    make(direction.bias_ih, "bias_ih", {rows});
    make(direction.bias_hh, "bias_hh", {rows});
  }
}

void RecurrentLayer::check(const Tensor& x, const RecurrentState& initial, Caller caller) const {
  if (x.rank() != 3 || x.shape()[2] != input_) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, time, {}]", name(kind_), x.shape(), input_);
  }
  const Shape expected{static_cast<int64_t>(parameters_.size()), x.shape()[0], hidden_};
  for (const Tensor* state : {&initial.h, &initial.c}) {
    if (state->defined() && state->shape() != expected) {
      raise<ShapeError>(caller, "{}: initial state {} is not {}", name(kind_), state->shape(), expected);
    }
  }
  if (initial.c.defined() && kind_ != RecurrentKind::lstm) {
    raise<ValueError>(caller, "{}: only an LSTM has a cell state", name(kind_));
  }
}

RecurrentOutput RecurrentLayer::layer(const Tensor& x, const Tensor& lengths, const RecurrentState& initial,
                                      int64_t index, Caller caller) const {
  std::vector<RecurrentDirection> each;
  for (int64_t d = 0; d < directions(); ++d) {
    const int64_t i = index * directions() + d;
    const Direction& p = parameters_[static_cast<size_t>(i)];
    each.push_back({linear(x, p.weight_ih, p.bias_ih, caller),
                    p.weight_hh,
                    p.bias_hh,
                    {.kind = kind_,
                     .reverse = d == 1,
                     .lengths = lengths,
                     .h0 = initial.h.defined() ? initial.h.select(0, i, caller) : Tensor(),
                     .c0 = initial.c.defined() ? initial.c.select(0, i, caller) : Tensor()}});
  }
  std::vector<Tensor> outputs, h, c;
  for (RecurrentResult& result : recurrent(each, caller)) {
    outputs.push_back(std::move(result.output));
    h.push_back(std::move(result.h));
    if (result.c.defined()) c.push_back(std::move(result.c));
  }
  const auto joined = [&](const std::vector<Tensor>& parts) { return parts.empty() ? Tensor() : stack(parts, 0); };
  return {outputs.size() == 1 ? outputs[0] : concat(outputs, 2, caller), joined(h), joined(c)};
}

RecurrentOutput RecurrentLayer::forward(const Tensor& x, const Tensor& lengths, const RecurrentState& initial,
                                        Caller caller) const {
  const Scope scope(*this, caller);
  check(x, initial, caller);
  RecurrentOutput out = layer(x, lengths, initial, 0, caller);
  if (options_.layers == 1) return out;
  std::vector<Tensor> h{out.h}, c{out.c};
  for (int64_t k = 1; k < options_.layers; ++k) {
    const Tensor below = training() ? dropout(out.output, options_.dropout, default_generator(), caller) : out.output;
    out = layer(below, lengths, initial, k, caller);
    h.push_back(out.h);
    c.push_back(out.c);
  }
  out.h = concat(h, 0, caller);
  if (out.c.defined()) out.c = concat(c, 0, caller);
  return out;
}

std::string RecurrentLayer::description() const {
  std::string text = fmt::format("{}, {}", input_, hidden_);
  if (options_.layers > 1) text += fmt::format(", layers={}", options_.layers);
  if (options_.bidirectional) text += ", bidirectional";
  if (options_.dropout > 0) text += fmt::format(", dropout={}", options_.dropout);
  if (!options_.bias) text += ", bias=false";
  return text;
}

RNN::RNN(int64_t input, int64_t hidden, RNNOptions options, Caller caller)
    : RecurrentLayer(options.relu ? RecurrentKind::rnn_relu : RecurrentKind::rnn_tanh, input, hidden,
                     {options.layers, options.bidirectional, options.dropout, options.bias}, caller) {}

GRU::GRU(int64_t input, int64_t hidden, GRUOptions options, Caller caller)
    : RecurrentLayer(RecurrentKind::gru, input, hidden, options, caller) {}

LSTM::LSTM(int64_t input, int64_t hidden, LSTMOptions options, Caller caller)
    : RecurrentLayer(RecurrentKind::lstm, input, hidden, options, caller) {}

}  // namespace fovea::nn
