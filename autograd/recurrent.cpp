#include "fovea/autograd/recurrent.h"

#include <algorithm>

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/backward.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

/// The layer in ordinary operations: what the fused kernels compute, for higher derivatives.
std::vector<Tensor> composed(const Tensor& projected, const Tensor& weight_hh, const Tensor& bias_hh,
                             const RecurrentOptions& options) {
  const int64_t batch = projected.shape()[0], time = projected.shape()[1], hidden = weight_hh.shape()[1];
  const bool lstm = options.kind == RecurrentKind::lstm;
  RecurrentState state{options.h0.defined() ? options.h0 : zeros({batch, hidden}, projected.options()), {}};
  if (lstm) state.c = options.c0.defined() ? options.c0 : zeros({batch, hidden}, projected.options());
  const std::vector<Tensor> inputs = projected.unbind(1);
  std::vector<Tensor> outputs(static_cast<size_t>(time));
  for (int64_t i = 0; i < time; ++i) {
    const int64_t t = options.reverse ? time - 1 - i : i;
    RecurrentState after =
        recurrent_step(options.kind, inputs[static_cast<size_t>(t)], linear(state.h, weight_hh, bias_hh), state);
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
  for (const Tensor* x : {&projected, &weight_hh}) raw::check_defined("recurrent", *x, caller);
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
  if (options.c0.defined() && options.kind != RecurrentKind::lstm) {
    raise<ValueError>(caller, "recurrent: only an LSTM has an initial cell state");
  }
  if (options.lengths.defined()) {
    if (options.lengths.shape() != Shape{batch}) {
      raise<ShapeError>(caller, "recurrent: lengths {} for a batch of {}", options.lengths.shape(), batch);
    }
    if (options.lengths.dtype() != i32) {
      raise<DTypeError>(caller, "recurrent: lengths must be i32, not {}", options.lengths.dtype());
    }
    if (&options.lengths.backend() != &projected.backend()) {
      raise<DeviceError>(caller, "recurrent: lengths are on {}, the input on {}; move one with .to()",
                         options.lengths.device(), projected.device());
    }
  }
  raw::check_alike("recurrent", {&projected, &weight_hh, &bias_hh, &options.h0, &options.c0}, caller);
}

/// Throws ShapeError, ValueError, DTypeError, DeviceError.
void check_step(RecurrentKind kind, const Tensor& projected, const Tensor& hidden, const RecurrentState& before,
                Caller caller) {
  for (const Tensor* x : {&projected, &hidden, &before.h}) raw::check_defined("recurrent_step", *x, caller);
  raw::check_alike("recurrent_step", {&projected, &hidden, &before.h, &before.c}, caller);
  if (before.c.defined() != (kind == RecurrentKind::lstm))
    raise<ValueError>(caller, "recurrent_step: an LSTM has a cell state, other kinds have none");
  const Shape& state = before.h.shape();
  const Shape wide = state.rank() == 2 ? Shape{state[0], gates(kind) * state[1]} : Shape{};
  if (state.rank() != 2 || projected.shape() != wide || hidden.shape() != wide ||
      (before.c.defined() && before.c.shape() != state)) {
    raise<ShapeError>(caller, "recurrent_step: gates {} and {} do not fit the state {}{}", projected.shape(),
                      hidden.shape(), state, before.c.defined() ? fmt::format(" and {}", before.c.shape()) : "");
  }
}

/// Whether ordinary operations do the same with less work: a fused kernel packs weights first, which for large ones one step
/// does not pay for.
bool is_one_large_step(const std::vector<RecurrentDirection>& directions) {
  constexpr int64_t large = 32768;
  const Tensor& projected = directions[0].projected;
  const bool has_lengths = std::any_of(directions.begin(), directions.end(),
                                       [](const RecurrentDirection& d) { return d.options.lengths.defined(); });
  const bool is_exact = projected.dtype() == f64 || (projected.dtype() == f32 && Autocast::product_dtype() == f32);
  return projected.shape()[1] == 1 && directions[0].weight_hh.numel() > large && !has_lengths && is_exact;
}

/// The tensors of one direction's calls, alive for as long as they are.
struct RecurrentPass {
  RecurrentOptions options;  // with dense tensors
  Tensor projected, weight_hh, bias_hh;
  Tensor output, h, c, reserve;
  bool bf16_operands;  // see RecurrentCall

  RecurrentPass(const RecurrentDirection& given, bool recorded)
      : options(given.options),
        projected(raw::contiguous(given.projected)),
        weight_hh(raw::contiguous(given.weight_hh)),
        bias_hh(raw::contiguous(given.bias_hh)),
        bf16_operands(autograd::rounds_operands(projected)) {
    const int64_t batch = projected.shape()[0], time = projected.shape()[1], hidden = weight_hh.shape()[1];
    const TensorOptions like = projected.options();
    for (Tensor* x : {&options.lengths, &options.h0, &options.c0}) *x = raw::contiguous(*x);
    output = raw::empty({batch, time, hidden}, like);
    h = raw::empty({batch, hidden}, like);
    if (options.kind == RecurrentKind::lstm) c = raw::empty({batch, hidden}, like);
    if (recorded) reserve = raw::empty({batch, time, reserve_width(options.kind) * hidden}, like);
  }

  RecurrentCall call() const {
    return {options.kind,
            projected.view(),
            weight_hh.view(),
            raw::view_or_null(bias_hh),
            raw::view_or_null(options.lengths),
            raw::view_or_null(options.h0),
            raw::view_or_null(options.c0),
            options.reverse,
            output.view(),
            h.view(),
            raw::view_or_null(c),
            raw::view_or_null(reserve),
            bf16_operands};
  }
};

/// What the backward pass of one direction reads and writes.
struct RecurrentBackwardPass {
  RecurrentCall forward;
  Tensor doutput, dh, dc;
  Tensor dprojected, dweight_hh, dbias_hh, dh0, dc0;

  /// g: of the direction's outputs; its inputs are those from `first` on.
  RecurrentBackwardPass(const RecurrentPass& fused, std::span<const Tensor> g, Needs needs, size_t first)
      : forward(fused.call()), dh(raw::contiguous(g[1])), dc(g.size() > 2 ? raw::contiguous(g[2]) : Tensor()) {
    const TensorOptions like = fused.projected.options();
    doutput = !g[0].defined()              ? zeros(fused.output.shape(), like)
              : g[0].strides().back() == 1 ? g[0]
                                           : raw::contiguous(g[0]);
    dprojected = raw::empty(fused.projected.shape(), like);
    dweight_hh = raw::empty(fused.weight_hh.shape(), like);
    if (needs[first + 2]) dbias_hh = raw::empty(fused.bias_hh.shape(), like);
    if (needs[first + 3]) dh0 = raw::empty(fused.h.shape(), like);
    if (needs[first + 4]) dc0 = raw::empty(fused.h.shape(), like);
  }

  RecurrentBackwardCall call() const {
    return {forward,
            doutput.view(),
            raw::view_or_null(dh),
            raw::view_or_null(dc),
            dprojected.view(),
            dweight_hh.view(),
            raw::view_or_null(dbias_hh),
            raw::view_or_null(dh0),
            raw::view_or_null(dc0)};
  }
};

constexpr size_t inputs_of_direction = 5;

std::vector<Tensor> inputs_of(const std::vector<RecurrentDirection>& directions) {
  std::vector<Tensor> inputs;
  inputs.reserve(directions.size() * inputs_of_direction);
  for (const auto& [projected, weight_hh, bias_hh, options] : directions)
    inputs.insert(inputs.end(), {projected, weight_hh, bias_hh, options.h0, options.c0});
  return inputs;
}

Gradients fused_backward(const std::vector<RecurrentPass>& directions, std::span<const Tensor> g, Needs needs) {
  const size_t outputs = g.size() / directions.size();
  Gradients out(directions.size() * inputs_of_direction);
  std::vector<RecurrentBackwardPass> passes;
  passes.reserve(directions.size());
  std::vector<RecurrentBackwardCall> calls;
  for (size_t d = 0; d < directions.size(); ++d) {
    const auto of_direction = g.subspan(d * outputs, outputs);
    const size_t first = d * inputs_of_direction;
    if (std::none_of(of_direction.begin(), of_direction.end(), [](const Tensor& x) { return x.defined(); })) continue;
    const RecurrentBackwardPass& pass = passes.emplace_back(directions[d], of_direction, needs, first);
    calls.push_back(pass.call());
    out[first] = pass.dprojected;
    out[first + 1] = pass.dweight_hh;
    out[first + 2] = pass.dbias_hh;
    out[first + 3] = pass.dh0;
    out[first + 4] = pass.dc0;
  }
  if (!calls.empty()) directions[0].projected.backend().recurrent_backward(calls);
  return out;
}

std::vector<RecurrentResult> results_of(const std::vector<Tensor>& outputs, size_t directions) {
  const size_t each = outputs.size() / directions;
  std::vector<RecurrentResult> results;
  for (size_t i = 0; i < outputs.size(); i += each)
    results.push_back({outputs[i], outputs[i + 1], each > 2 ? outputs[i + 2] : Tensor()});
  return results;
}

void check(const std::vector<RecurrentDirection>& directions, Caller caller) {
  if (directions.empty() || directions.size() > 2)
    raise<ValueError>(caller, "recurrent: a layer has one direction or two, not {}", directions.size());
  for (const RecurrentDirection& d : directions) {
    check(d.projected, d.weight_hh, d.bias_hh, d.options, caller);
    const RecurrentDirection& first = directions[0];
    if (d.options.kind != first.options.kind || d.projected.shape() != first.projected.shape() ||
        d.projected.dtype() != first.projected.dtype()) {
      raise<ShapeError>(caller,
                        "recurrent: the directions of a layer differ in kind, dtype or input gates: {} {} and {} {}",
                        first.projected.dtype(), first.projected.shape(), d.projected.dtype(), d.projected.shape());
    }
    raw::check_alike("recurrent", {&first.projected, &d.projected}, caller);
  }
}

}  // namespace

RecurrentState recurrent_step(RecurrentKind kind, const Tensor& projected, const Tensor& hidden,
                              const RecurrentState& before, Caller caller) {
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
  const ErrorScope scope(caller);
  check_step(kind, projected, hidden, before, caller);
  if (kind == RecurrentKind::rnn_tanh) return {tanh_cell(projected, hidden), {}};
  if (kind == RecurrentKind::rnn_relu) return {relu_cell(projected, hidden), {}};
  const int64_t n = before.h.shape()[1];
  const std::vector<Tensor> x = projected.split(n, 1), h = hidden.split(n, 1);
  if (kind == RecurrentKind::gru) return {gru_cell.all({x[0], x[1], x[2], h[0], h[1], h[2], before.h})[0], {}};
  std::vector<Tensor> after = lstm_cell.all({x[0], x[1], x[2], x[3], h[0], h[1], h[2], h[3], before.c});
  return {std::move(after[0]), std::move(after[1])};
}

RecurrentResult recurrent(const Tensor& projected, const Tensor& weight_hh, const Tensor& bias_hh,
                          const RecurrentOptions& options, Caller caller) {
  return recurrent({{projected, weight_hh, bias_hh, options}}, caller)[0];
}

std::vector<RecurrentResult> recurrent(const std::vector<RecurrentDirection>& directions, Caller caller) {
  const ErrorScope scope(caller);
  check(directions, caller);
  const std::vector<Tensor> inputs = inputs_of(directions);
  Backend& backend = directions[0].projected.backend();
  const auto compose = [](const std::vector<RecurrentDirection>& all) {
    std::vector<Tensor> outputs;
    for (const auto& [projected, weight_hh, bias_hh, options] : all) {
      for (Tensor& output : composed(projected, weight_hh, bias_hh, options)) outputs.push_back(std::move(output));
    }
    return outputs;
  };

  if (is_one_large_step(directions)) return results_of(compose(directions), directions.size());

  const bool recorded =
      grad_enabled() && std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.requires_grad(); });
  std::vector<RecurrentPass> fused;
  std::vector<RecurrentCall> calls;
  std::vector<Tensor> outputs;
  fused.reserve(directions.size());
  for (const RecurrentDirection& direction : directions) {
    const RecurrentPass& one = fused.emplace_back(direction, recorded);
    calls.push_back(one.call());
    outputs.insert(outputs.end(), {one.output, one.h});
    if (one.c.defined()) outputs.push_back(one.c);
  }
  {
    const ErrorScope scope(caller);  // a length out of range is found by the kernel
    backend.recurrent(calls);
  }

  if (!recorded) return results_of(outputs, directions.size());
  std::vector<Saved> saved(inputs.begin(), inputs.end());
  // What backward reads are other handles than the outputs, which will hold the node that holds them.
  for (RecurrentPass& one : fused) {
    saved.emplace_back(one.output = one.output.detach());
    one.h = one.h.detach();
    if (one.c.defined()) one.c = one.c.detach();
  }
  return results_of(record(
                        "recurrent", std::move(outputs), inputs,
                        [fused = std::move(fused), inputs, saved, compose](std::span<const Tensor> g, Needs needs) {
                          for (const Saved& x : saved) static_cast<void>(*x);  // throws if it was changed in place
                          if (!grad_enabled()) return fused_backward(fused, g, needs);
                          return autograd::differentiate(
                              [&](const std::vector<Tensor>& in) {
                                std::vector<RecurrentDirection> again;
                                for (size_t i = 0; i < in.size(); i += inputs_of_direction) {
                                  RecurrentOptions options = fused[i / inputs_of_direction].options;
                                  options.h0 = in[i + 3];
                                  options.c0 = in[i + 4];
                                  again.push_back({in[i], in[i + 1], in[i + 2], std::move(options)});
                                }
                                return compose(again);
                              },
                              inputs, g, needs);
                        },
                        caller),
                    directions.size());
}

}  // namespace fovea
