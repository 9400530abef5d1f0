#include <algorithm>
#include <optional>

#include "fovea/backends/vulkan/recurrent_sequence.h"
#include "fovea/backends/vulkan/tiles.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Recurrent layers, forward and backward: a launch for all steps of a sequence (recurrent_sequence.cpp) or one for each.
namespace fovea::vulkan {
namespace {

constexpr uint32_t no_step = 0xffffffff;

void copy_or_clear(Engine& engine, const View* from, const View& to) {
  if (from) {
    copy(engine, *from, to);
  } else {
    fill(engine, to, 0);
  }
}

// dW = sum over positions of du h^T, and the bias's share of it; du are the gradients of the product with the weights.
void weight_gradients(Engine& engine, const RecurrentBackwardCall& call, const RecurrentLayer& layer, const View& du) {
  View transposed = du, hidden = *call.forward.reserve;
  transposed.shape = {layer.inner(), layer.positions()};
  transposed.strides = {1, layer.inner()};
  hidden.offset += (layer.reserved - 1) * layer.hidden;
  hidden.shape = {layer.positions(), layer.hidden};
  hidden.strides = {layer.reserved * layer.hidden, 1};
  matmul(engine, {.a = transposed, .b = hidden, .out = call.dweight_hh});
  if (!call.dbias_hh) return;
  View rows = du;
  rows.shape = {layer.positions(), layer.inner()};
  rows.strides = {layer.inner(), 1};
  sum_rows(engine, rows, *call.dbias_hh);
}

/// The forward pass of one direction.
class ForwardSteps {
 public:
  ForwardSteps(Engine& engine, const RecurrentCall& call)
      : engine_(engine), call_(call), layer_(engine, call), h_(call.h0), c_(call.c0) {
    if (layer_.is_empty()) {
      if (layer_.batch * layer_.hidden == 0) return;
      copy_or_clear(engine, call.h0, call.h_last);
      if (call.c_last) copy_or_clear(engine, call.c0, *call.c_last);
      return;
    }
    for (int i = 0; i < 2; ++i) states_[i] = engine.scratch(memory_[i], f32, {layer_.batch, layer_.hidden});
  }

  int64_t count() const { return layer_.is_empty() ? 0 : layer_.time; }

  void step(int64_t i) {
    const View* h_next = i + 1 == layer_.time ? &call_.h_last : &states_[i % 2];
    struct {
      uint64_t projected, weight, bias, lengths, h, h_next, c, c_next, out, reserve, fault;
      uint32_t batch, time, hidden, t;
      int32_t out_batch, out_time;
    } push{address_of(call_.projected),
           address_of(call_.weight_hh),
           address_of(call_.bias_hh),
           address_of(call_.lengths),
           address_of(h_),
           address_of(h_next),
           address_of(c_),
           address_of(call_.c_last),
           address_of(call_.output),
           address_of(call_.reserve),
           fault_,
           word(layer_.batch),
           word(layer_.time),
           word(layer_.hidden),
           word(layer_.step(i, call_.reverse)),
           static_cast<int32_t>(call_.output.strides[0]),
           static_cast<int32_t>(call_.output.strides[1])};
    engine_.launch({.code = shaders::recurrent,
                    .constants = layer_.constants,
                    .name = "recurrent",
                    .shape = call_.output.shape,
                    .reads = {&call_.projected, &call_.weight_hh, call_.bias_hh, call_.lengths, h_, c_},
                    .writes = {h_next, call_.c_last, &call_.output, call_.reserve},
                    .groups = layer_.groups,
                    .work = layer_.work()},
                   push);
    h_ = h_next;
    c_ = call_.c_last;
  }

 private:
  Engine& engine_;
  const RecurrentCall& call_;
  RecurrentLayer layer_;
  uint64_t fault_ = engine_.fault_address("recurrent");
  // The state goes to and fro between two buffers and ends in h_last.
  BufferRef memory_[2];
  View states_[2];
  const View *h_, *c_;
};

/// The backward pass of one direction.
class BackwardSteps {
 public:
  BackwardSteps(Engine& engine, const RecurrentBackwardCall& call)
      : engine_(engine),
        call_(call),
        layer_(engine, call.forward),
        separate_(has_gradients_of_its_own(call.forward.kind)),
        dh_in_(call.dh_last),
        dc_in_(call.dc_last) {
    if (layer_.is_empty()) {
      fill(engine, call.dweight_hh, 0);
      if (call.dbias_hh) fill(engine, *call.dbias_hh, 0);
      if (call.dh0) copy_or_clear(engine, call.dh_last, *call.dh0);
      if (call.dc0) copy_or_clear(engine, call.dc_last, *call.dc0);
      return;
    }
    const Shape state{layer_.batch, layer_.hidden};
    du_ = separate_ ? engine.scratch(du_memory_, f32, {layer_.positions(), layer_.inner()}) : call.dprojected;
    dh_ = engine.scratch(dh_memory_, f32, state);
    dc_ = engine.scratch(dc_memory_, f32, state);
  }

  int64_t count() const { return layer_.is_empty() ? 0 : layer_.time; }

  void step(int64_t i) { step(word(layer_.step(layer_.time - 1 - i, call_.forward.reverse)), &dh_, &dc_, false); }

  void finish() {
    if (layer_.is_empty()) return;
    if (call_.dh0 || call_.dc0) step(0, call_.dh0, call_.dc0, true);
    weight_gradients(engine_, call_, layer_, du_);
  }

 private:
  void step(uint32_t t, const View* dh_out, const View* dc_out, bool last) {
    const RecurrentCall& forward = call_.forward;
    struct {
      uint64_t weight, lengths, reserve, du, dprojected, doutput, dh, dh_next, dc, dc_next;
      uint32_t batch, time, hidden, t, t_next;
      int32_t out_batch, out_time;
      uint32_t last;
    } push{address_of(forward.weight_hh),
           address_of(forward.lengths),
           address_of(forward.reserve),
           address_of(du_),
           address_of(call_.dprojected),
           address_of(call_.doutput),
           address_of(dh_in_),
           address_of(dh_out),
           address_of(dc_in_),
           address_of(dc_out),
           word(layer_.batch),
           word(layer_.time),
           word(layer_.hidden),
           t,
           next_,
           static_cast<int32_t>(call_.doutput.strides[0]),
           static_cast<int32_t>(call_.doutput.strides[1]),
           last};
    engine_.launch(
        {.code = shaders::recurrent_backward,
         .constants = layer_.constants,
         .name = "recurrent_backward",
         .shape = forward.output.shape,
         .reads = {&forward.weight_hh, forward.lengths, forward.reserve, &du_, &call_.doutput, dh_in_, dc_in_},
         .writes = {last ? nullptr : &call_.dprojected, last || !separate_ ? nullptr : &du_, dh_out, dc_out},
         .groups = layer_.groups,
         .work = layer_.work()},
        push);
    dh_in_ = dh_out;
    dc_in_ = dc_out;
    next_ = t;
  }

  Engine& engine_;
  const RecurrentBackwardCall& call_;
  RecurrentLayer layer_;
  bool separate_;
  BufferRef du_memory_, dh_memory_, dc_memory_;
  View du_, dh_, dc_;
  const View *dh_in_, *dc_in_;
  uint32_t next_ = no_step;
};

/// Steps of the directions side by side: no barrier stands between two that touch different memory.
template <class Steps, class Calls>
void run_directions(Engine& engine, const Calls& calls) {
  std::optional<Steps> directions[2];
  size_t count = 0;
  for (const auto& call : calls) directions[count++].emplace(engine, call);
  const std::span all(directions, count);
  for (int64_t i = 0; i < all.front()->count(); ++i) {
    for (auto& direction : all) direction->step(i);
  }
  if constexpr (requires { all.front()->finish(); }) {
    for (auto& direction : all) direction->finish();
  }
}

}  // namespace

void recurrent(Engine& engine, const RecurrentCalls& calls) {
  const std::optional<SequencePlan> plan = SequencePlan::of(engine, calls.front(), calls.size());
  if (plan) return recurrent_sequences(engine, calls, *plan);
  run_directions<ForwardSteps>(engine, calls);
}

void recurrent_backward(Engine& engine, const RecurrentBackwardCalls& calls) {
  const std::optional<SequencePlan> plan = SequencePlan::of(engine, calls.front().forward, calls.size());
  if (!plan) return run_directions<BackwardSteps>(engine, calls);
  BufferRef memory[2];
  View du[2];
  for (size_t i = 0; i < calls.size(); ++i) {
    const RecurrentLayer layer(engine, calls[i].forward);
    du[i] = has_gradients_of_its_own(calls[i].forward.kind)
                ? engine.scratch(memory[i], f32, {layer.positions(), layer.inner()})
                : calls[i].dprojected;
  }
  recurrent_sequences_backward(engine, calls, *plan, du);
  for (size_t i = 0; i < calls.size(); ++i)
    weight_gradients(engine, calls[i], RecurrentLayer(engine, calls[i].forward), du[i]);
}

}  // namespace fovea::vulkan
