#include "fovea/autograd/recurrent.h"

#include "fovea/autograd/backward.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

struct State {
  Tensor h;
  Tensor c;
};

/// One time step: x and hidden parts of the gates [batch, gates * hidden] and the state before, to the state after.
State step(RecurrentKind kind, const Tensor& x, const Tensor& hidden, const State& before) {
  static const Elementwise tanh_cell{"rnn_cell", [](Expr x, Expr h) { return tanh(x + h); }};
  static const Elementwise relu_cell{"rnn_cell", [](Expr x, Expr h) { return relu(x + h); }};
  static const Elementwise gru_cell{"gru_cell", [](Expr xr, Expr xz, Expr xn, Expr hr, Expr hz, Expr hn, Expr h) {
                                      const Expr n = tanh(xn + sigmoid(xr + hr) * hn);
                                      return n + sigmoid(xz + hz) * (h - n);
                                    }};
  static const Elementwise lstm_cell{
      "lstm_cell", [](Expr xi, Expr xf, Expr xg, Expr xo, Expr hi, Expr hf, Expr hg, Expr ho, Expr c) {
        const Expr after = sigmoid(xf + hf) * c + sigmoid(xi + hi) * tanh(xg + hg);
        return std::vector<Expr>{sigmoid(xo + ho) * tanh(after), after};
      }};
  const int64_t n = before.h.shape()[1];
  const auto part = [n](const Tensor& all, int64_t gate) { return all.slice(1, gate * n, (gate + 1) * n); };
  switch (kind) {
    case RecurrentKind::rnn_tanh:
      return {tanh_cell(x, hidden), {}};
    case RecurrentKind::rnn_relu:
      return {relu_cell(x, hidden), {}};
    case RecurrentKind::gru:
      return {gru_cell.all(
                  {part(x, 0), part(x, 1), part(x, 2), part(hidden, 0), part(hidden, 1), part(hidden, 2), before.h})[0],
              {}};
    case RecurrentKind::lstm: {
      std::vector<Tensor> after = lstm_cell.all({part(x, 0), part(x, 1), part(x, 2), part(x, 3), part(hidden, 0),
                                                 part(hidden, 1), part(hidden, 2), part(hidden, 3), before.c});
      return {after[0], after[1]};
    }
  }
  return {};
}

/// The layer in ordinary operations: what the fused kernels compute, on devices that lack them and for higher
/// derivatives.
std::vector<Tensor> composed(const Tensor& projected, const Tensor& weight_hh, const Tensor& bias_hh,
                             const RecurrentOptions& options) {
  const int64_t batch = projected.shape()[0], time = projected.shape()[1], hidden = weight_hh.shape()[1];
  const bool lstm = options.kind == RecurrentKind::lstm;
  State state{options.h0.defined() ? options.h0 : zeros({batch, hidden}, projected.options()), {}};
  if (lstm) state.c = options.c0.defined() ? options.c0 : zeros({batch, hidden}, projected.options());
  std::vector<Tensor> outputs(static_cast<size_t>(time));
  for (int64_t i = 0; i < time; ++i) {
    const int64_t t = options.reverse ? time - 1 - i : i;
    State after = step(options.kind, projected.select(1, t), linear(state.h, weight_hh, bias_hh), state);
    Tensor& output = outputs[static_cast<size_t>(t)];
    if (options.lengths.defined()) {
      const Tensor running = gt(options.lengths, static_cast<double>(t)).unsqueeze(1);
      output = where(running, after.h, 0.0);
      state.h = where(running, after.h, state.h);
      if (lstm) state.c = where(running, after.c, state.c);
    } else {
      output = after.h;
      state = std::move(after);
    }
  }
  Tensor sequence = time > 0 ? stack(outputs, 1) : zeros({batch, 0, hidden}, projected.options());
  std::vector<Tensor> results{std::move(sequence), state.h};
  if (lstm) results.push_back(state.c);
  return results;
}

void check(const Tensor& projected, const Tensor& weight_hh, const Tensor& bias_hh, const RecurrentOptions& options,
           Caller caller) {
  const int64_t width = weight_hh.rank() == 2 ? weight_hh.shape()[0] : 0;
  const int64_t hidden = weight_hh.rank() == 2 ? weight_hh.shape()[1] : 0;
  if (projected.rank() != 3 || weight_hh.rank() != 2 || width != gates(options.kind) * hidden ||
      projected.shape()[2] != width || (bias_hh.defined() && bias_hh.shape() != Shape{width})) {
    raise<ShapeError>(caller, "recurrent: input gates {} do not fit hidden weight {}{}", projected.shape(),
                      weight_hh.shape(), bias_hh.defined() ? fmt::format(" and bias {}", bias_hh.shape()) : "");
  }
  const int64_t batch = projected.shape()[0];
  for (const Tensor* state : {&options.h0, &options.c0}) {
    if (state->defined() && state->shape() != Shape{batch, hidden}) {
      raise<ShapeError>(caller, "recurrent: initial state {} is not {}", state->shape(), Shape{batch, hidden});
    }
  }
  if (options.lengths.defined()) {
    if (options.lengths.shape() != Shape{batch}) {
      raise<ShapeError>(caller, "recurrent: lengths {} for a batch of {}", options.lengths.shape(), batch);
    }
    if (options.lengths.dtype() != i32) {
      raise<DTypeError>(caller, "recurrent: lengths must be i32, not {}", options.lengths.dtype());
    }
  }
  for (const Tensor* other : {&weight_hh, &bias_hh, &options.h0, &options.c0}) {
    if (other->defined() && other->dtype() != projected.dtype()) {
      raise<DTypeError>(caller, "recurrent: dtypes differ: {} and {}; convert one with .to()", projected.dtype(),
                        other->dtype());
    }
  }
}

const View* view_or_null(const Tensor& x) { return x.defined() ? &x.view() : nullptr; }

Tensor dense_or_undefined(const Tensor& x) { return x.defined() ? raw::contiguous(x) : x; }

/// The forward call's tensors, alive for as long as the call is.
struct Fused {
  RecurrentOptions options;  // with dense tensors
  Tensor projected, weight_hh, bias_hh;
  Tensor output, h, c, reserve;

  RecurrentCall call() const {
    return {options.kind,
            projected.view(),
            weight_hh.view(),
            view_or_null(bias_hh),
            view_or_null(options.lengths),
            view_or_null(options.h0),
            view_or_null(options.c0),
            options.reverse,
            output.view(),
            h.view(),
            view_or_null(c),
            view_or_null(reserve)};
  }
};

Gradients fused_backward(const Fused& fused, std::span<const Tensor> g, Needs needs) {
  const TensorOptions like = fused.projected.options();
  const Tensor doutput =
      g[0].defined() ? (g[0].strides().back() == 1 ? g[0] : raw::contiguous(g[0])) : zeros(fused.output.shape(), like);
  const Tensor dh = dense_or_undefined(g[1]);
  const Tensor dc = g.size() > 2 ? dense_or_undefined(g[2]) : Tensor();
  Gradients out(5);
  out[0] = raw::empty(fused.projected.shape(), like);
  out[1] = raw::empty(fused.weight_hh.shape(), like);
  if (needs[2]) out[2] = raw::empty(fused.bias_hh.shape(), like);
  if (needs[3]) out[3] = raw::empty(fused.h.shape(), like);
  if (needs[4]) out[4] = raw::empty(fused.h.shape(), like);
  fused.projected.backend().recurrent_backward({fused.call(), doutput.view(), view_or_null(dh), view_or_null(dc),
                                                out[0].view(), out[1].view(), view_or_null(out[2]),
                                                view_or_null(out[3]), view_or_null(out[4])});
  return out;
}

}  // namespace

RecurrentResult recurrent(const Tensor& projected, const Tensor& weight_hh, const Tensor& bias_hh,
                          const RecurrentOptions& options, Caller caller) {
  check(projected, weight_hh, bias_hh, options, caller);
  const auto result = [](std::vector<Tensor> outputs) {
    return RecurrentResult{outputs[0], outputs[1], outputs.size() > 2 ? outputs[2] : Tensor()};
  };
  if (!projected.backend().has_recurrent()) return result(composed(projected, weight_hh, bias_hh, options));

  const std::vector<Tensor> inputs{projected, weight_hh, bias_hh, options.h0, options.c0};
  bool recorded = false;
  for (const Tensor& x : inputs) recorded = recorded || (x.requires_grad() && grad_enabled());
  const int64_t batch = projected.shape()[0], time = projected.shape()[1], hidden = weight_hh.shape()[1];
  const TensorOptions like = projected.options();
  Fused fused{options,
              raw::contiguous(projected),
              raw::contiguous(weight_hh),
              dense_or_undefined(bias_hh),
              raw::empty({batch, time, hidden}, like),
              raw::empty({batch, hidden}, like),
              {},
              {}};
  for (Tensor* x : {&fused.options.lengths, &fused.options.h0, &fused.options.c0}) *x = dense_or_undefined(*x);
  if (options.kind == RecurrentKind::lstm) fused.c = raw::empty({batch, hidden}, like);
  if (recorded) fused.reserve = raw::empty({batch, time, reserve_width(options.kind) * hidden}, like);
  fused.projected.backend().recurrent(fused.call());

  std::vector<Tensor> outputs{fused.output, fused.h};
  if (fused.c.defined()) outputs.push_back(fused.c);
  if (!recorded) return result(std::move(outputs));
  std::vector<Saved> saved(inputs.begin(), inputs.end());
  saved.emplace_back(outputs[0].detach());
  // What backward reads are other handles than the outputs, which will hold the node that holds them.
  fused.output = fused.output.detach();
  fused.h = fused.h.detach();
  if (fused.c.defined()) fused.c = fused.c.detach();
  return result(record(
      "recurrent", std::move(outputs), inputs,
      [fused = std::move(fused), inputs, saved](std::span<const Tensor> g, Needs needs) {
        for (const Saved& x : saved) static_cast<void>(*x);  // throws if it was changed in place
        if (!grad_enabled()) return fused_backward(fused, g, needs);
        return autograd::differentiate(
            [options = fused.options](const std::vector<Tensor>& in) {
              RecurrentOptions again = options;
              again.h0 = in[3];
              again.c0 = in[4];
              return composed(in[0], in[1], in[2], again);
            },
            inputs, g, needs);
      },
      caller));
}

}  // namespace fovea
