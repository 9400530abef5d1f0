#include "fovea/autograd/shape_ops.h"
#include "fovea/onnx/layers.h"

namespace fovea::onnx {
namespace {

/// What ONNX calls a kind, and where each of its gates stands among PyTorch's, which are ours.
struct Form {
  const char* op;
  std::vector<int64_t> gates;
  const char* activation;  // of an RNN
};

Form form_of(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::gru:
      return {"GRU", {1, 0, 2}, nullptr};  // z, r, h of r, z, n
    case RecurrentKind::lstm:
      return {"LSTM", {0, 3, 1, 2}, nullptr};  // i, o, f, c of i, f, g, o
    case RecurrentKind::rnn_relu:
      return {"RNN", {0}, "Relu"};
    case RecurrentKind::rnn_tanh:
      break;
  }
  return {"RNN", {0}, "Tanh"};
}

/// [gates * hidden, ...] with the gates in ONNX's order.
Tensor reordered(const Tensor& x, const Form& form) {
  const int64_t rows = x.size(0) / static_cast<int64_t>(form.gates.size());
  std::vector<Tensor> parts;
  for (const int64_t gate : form.gates) parts.push_back(x.slice(0, gate * rows, (gate + 1) * rows));
  return concat(parts, 0);
}

/// The input's and the state's parts of a cell's gates, one value for each gate.
struct Gates {
  std::vector<Value> x, h;
};

Gates gates_of(const nn::RecurrentCell& cell, const Value& x, const Value& h) {
  Graph& graph = x.graph();
  const auto parts = [&](const Value& in, const Tensor& weight, const Tensor& bias, const char* name) {
    Value all = matmul(in, graph.constant(weight.mT(), fmt::format("weight_{}_t", name)));
    if (bias.defined()) all = all + graph.constant(bias, fmt::format("bias_{}", name));
    return graph.nodes("Split", {all}, static_cast<size_t>(gates(cell.kind())), {{"axis", int64_t{1}}});
  };
  return {parts(x, cell.weight_ih, cell.bias_ih, "ih"), parts(h, cell.weight_hh, cell.bias_hh, "hh")};
}

}  // namespace

Value emit(const nn::RNNCell& cell, const Value& x, const Value& h, Caller caller) {
  const Graph::Scope scope(x.graph(caller), cell, caller);
  const Gates gates = gates_of(cell, x, h);
  const Value sum = gates.x[0] + gates.h[0];
  return cell.kind() == RecurrentKind::rnn_relu ? relu(sum) : tanh(sum);
}

Value emit(const nn::GRUCell& cell, const Value& x, const Value& h, Caller caller) {
  const Graph::Scope scope(x.graph(caller), cell, caller);
  const Gates gates = gates_of(cell, x, h);
  const Value reset = sigmoid(gates.x[0] + gates.h[0]), update = sigmoid(gates.x[1] + gates.h[1]);
  const Value next = tanh(gates.x[2] + reset * gates.h[2]);
  return next + update * (h - next);
}

CellState emit(const nn::LSTMCell& cell, const Value& x, const CellState& state, Caller caller) {
  const Graph::Scope scope(x.graph(caller), cell, caller);
  const Gates gates = gates_of(cell, x, state.h);
  const auto gate = [&](size_t i) { return gates.x[i] + gates.h[i]; };
  const Value c = sigmoid(gate(1)) * state.c + sigmoid(gate(0)) * tanh(gate(2));
  return {sigmoid(gate(3)) * tanh(c), c};
}

Recurrent emit(const nn::RecurrentLayer& layer, const Value& x, const Value& lengths, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Form form = form_of(layer.kind());
  const nn::StateDict state = layer.state_dict();
  const int64_t directions = layer.directions(), hidden = layer.hidden();
  const Value steps = cast(lengths, Element::i32);
  Value y = permute(x, {1, 0, 2}), h;  // ONNX has the time first
  for (int64_t k = 0; k < layer.options().layers; ++k) {
    // One tensor for both directions.
    const auto parameter = [&](const std::vector<const char*>& names) {
      std::vector<Tensor> each;
      for (int64_t d = 0; d < directions; ++d) {
        std::vector<Tensor> parts;
        for (const char* name : names) {
          parts.push_back(reordered(state.at(fmt::format("{}_l{}{}", name, k, d == 1 ? "_reverse" : "")), form));
        }
        each.push_back(concat(parts, 0));
      }
      return graph.constant(stack(each, 0), fmt::format("{}_l{}", names[0], k));
    };
    std::vector<Value> inputs{y, parameter({"weight_ih"}), parameter({"weight_hh"})};
    inputs.push_back(layer.options().bias ? parameter({"bias_ih", "bias_hh"}) : Value());
    inputs.push_back(steps);
    std::vector<Attribute> attributes{{"hidden_size", hidden},
                                      {"direction", std::string(directions == 2 ? "bidirectional" : "forward")}};
    if (form.activation) {
      attributes.emplace_back("activations",
                              std::vector<std::string>(static_cast<size_t>(directions), form.activation));
    }
    if (layer.kind() == RecurrentKind::gru) attributes.emplace_back("linear_before_reset", int64_t{1});
    const std::vector<Value> made = graph.nodes(form.op, inputs, 2, attributes);
    y = reshape(permute(made[0], {0, 2, 1, 3}), {0, 0, directions * hidden});  // of [time, directions, batch, hidden]
    h = made[1];
  }
  return {permute(y, {1, 0, 2}), h};
}

}  // namespace fovea::onnx
