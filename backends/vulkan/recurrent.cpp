#include <algorithm>
#include <optional>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/tiles.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Recurrent layers, forward and backward: a launch for all steps of a sequence or one for each.
namespace fovea::vulkan {
namespace {

constexpr uint32_t across = 8;  // recurrent_step.glsl's
constexpr uint32_t no_step = 0xffffffff;

struct Layer {
  int64_t batch, time, hidden, gates, reserved;
  Constants constants;
  uint64_t groups;

  Layer(const Engine& engine, const RecurrentCall& call)
      : batch(call.output.shape[0]),
        time(call.output.shape[1]),
        hidden(call.output.shape[2]),
        gates(fovea::gates(call.kind)),
        reserved(reserve_width(call.kind)) {
    if (call.output.dtype != f32)
      raise_here<DeviceError>("recurrent: Vulkan devices run it in f32, not {}", call.output.dtype);
    // Few members a thread make many workgroups, many read the weights less often.
    const uint32_t rows = batch <= (engine.physical().is_cpu() ? 8 : 64) ? 1 : 4;
    constants = {across * across, 0, static_cast<uint32_t>(call.kind), rows};
    const auto tiles = [](int64_t n, int64_t tile) { return static_cast<uint64_t>(divide_up(n, tile)); };
    groups = tiles(batch, across * rows) * tiles(hidden, across);
  }
  int64_t positions() const { return batch * time; }
  int64_t inner() const { return gates * hidden; }
  bool is_empty() const { return batch * time * hidden == 0; }
  double work() const { return 2.0 * static_cast<double>(batch * hidden) * static_cast<double>(gates * hidden); }
  int64_t step(int64_t i, bool reverse) const { return reverse ? time - 1 - i : i; }
};

/// The gradients of the product with the weights are those of the projected input but for the gru's new gate.
bool has_gradients_of_its_own(RecurrentKind kind) { return kind == RecurrentKind::gru; }

void copy_or_clear(Engine& engine, const View* from, const View& to) {
  if (from) {
    copy(engine, *from, to);
  } else {
    fill(engine, to, 0);
  }
}

// dW = sum over positions of du h^T, and the bias's share of it; du are the gradients of the product with the weights.
void weight_gradients(Engine& engine, const RecurrentBackwardCall& call, const Layer& layer, const View& du) {
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
  Layer layer_;
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
  Layer layer_;
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

/// How the launches for whole sequences are made: see recurrent_sequence.comp.
struct SequencePlan {
  uint32_t rows;     // members of the batch that a workgroup takes
  uint32_t threads;  // of forward
  uint32_t parts;    // threads that share a column of the weights in backward
  uint64_t groups;

  /// Nothing where a launch a step does better or a workgroup has no room.
  static std::optional<SequencePlan> of(const Engine& engine, const RecurrentCall& call, size_t directions) {
    const Layer layer(engine, call);
    const PhysicalDevice& device = engine.physical();
    const auto most = static_cast<int64_t>(device.workgroup_threads);
    if (layer.is_empty() || layer.inner() > most) return {};
    if (!engine.options().recurrent_sequences.value_or(pays(engine, layer))) return {};
    SequencePlan plan{};
    // Members that share a workgroup share what is read of the weights; few leave the device idle.
    const int64_t members = layer.batch * static_cast<int64_t>(directions);
    plan.rows = members <= 64 ? 1 : members <= 128 ? 2 : 4;
    while (plan.rows > 1 &&
           (plan.rows * layer.hidden > most || plan.shared_bytes(layer, plan.rows) > device.shared_bytes))
      plan.rows /= 2;
    const int64_t company = device.is_cpu() ? plan.rows : 16;
    plan.parts = word(std::clamp<int64_t>(std::min(most / layer.hidden, company), plan.rows, 16));
    while (plan.parts > plan.rows && plan.shared_bytes(layer, plan.parts) > device.shared_bytes) --plan.parts;
    if (plan.shared_bytes(layer, plan.parts) > device.shared_bytes) return {};
    plan.threads = warps(std::max(layer.inner(), plan.rows * layer.hidden), most);
    plan.groups = static_cast<uint64_t>(divide_up(layer.batch, plan.rows));
    return plan;
  }

  uint32_t backward_threads(const Layer& layer, const Engine& engine) const {
    return warps(parts * layer.hidden, engine.physical().workgroup_threads);
  }

 private:
  // A step alone costs a GPU its start and its end, some 7 us. In a whole sequence every workgroup reads all weights at
  // each step, so these must be few enough to stay near it; and the length is bounded for the watchdog's sake. Nothing
  // that was measured may decide: the paths differ in their last bits.
  static bool pays(const Engine& engine, const Layer& layer) {
    constexpr int64_t most_weights = int64_t{1} << 16, least_time = 4, most_time = 8192;
    if (engine.physical().is_cpu()) return false;
    return layer.inner() * layer.hidden <= most_weights && layer.time >= least_time && layer.time <= most_time;
  }
  static uint32_t warps(int64_t threads, int64_t most) { return word(std::min((threads + 31) / 32 * 32, most)); }
  /// Of backward, which takes more than forward.
  int64_t shared_bytes(const Layer& layer, uint32_t with_parts) const {
    const int64_t part_quads = ((layer.inner() + 3) / 4 + with_parts - 1) / with_parts;
    const int64_t backward = int64_t{rows} * with_parts * (part_quads * 16 + layer.hidden * 4);
    return std::max(backward, int64_t{rows} * ((layer.hidden + 3) / 4 * 16 + layer.inner() * 4));
  }
};

/// The weights as recurrent_sequence.comp reads them: of each column four neighbours in turn, [hidden / 4, inner, 4].
View pack_weights(Engine& engine, const RecurrentCall& call, const Layer& layer, BufferRef& memory) {
  const int64_t whole = layer.hidden / 4, rest = layer.hidden % 4;
  const View packed = engine.scratch(memory, f32, {whole + (rest > 0), layer.inner(), 4});
  if (rest > 0) fill(engine, packed, 0);
  const auto copy_quads = [&](int64_t first, int64_t count, int64_t width) {
    if (count == 0 || width == 0) return;
    View from = call.weight_hh, to = packed;
    from.offset += first * 4;
    from.shape = to.shape = {count, layer.inner(), width};
    from.strides = {4, layer.hidden, 1};
    to.offset += first * layer.inner() * 4;
    copy(engine, from, to);
  };
  copy_quads(0, whole, 4);
  copy_quads(whole, rest > 0, rest);
  return packed;
}

/// How both launches for whole sequences end what they push.
struct SequencePart {
  uint32_t batch, time, first, reverse;  // first: of this launch's workgroups
  int32_t out_batch, out_time;           // strides
};
SequencePart sequence_part(const Layer& layer, int64_t first, bool reverse, const View& output) {
  const auto stride = [&](int axis) { return static_cast<int32_t>(output.strides[axis]); };
  return {word(layer.batch), word(layer.time), word(first), reverse, stride(0), stride(1)};
}

void forward_sequence(Engine& engine, const RecurrentCall& call, const SequencePlan& plan, const View& weight) {
  const Layer layer(engine, call);
  const double work = layer.work() * static_cast<double>(layer.time);
  launch_in_parts(engine, static_cast<int64_t>(plan.groups), work, [&](int64_t first, int64_t groups, double share) {
    struct {
      uint64_t projected, weight, bias, lengths, h0, h_last, c0, c_last, out, reserve, fault;
      SequencePart part;
    } push{address_of(call.projected),
           address_of(weight),
           address_of(call.bias_hh),
           address_of(call.lengths),
           address_of(call.h0),
           address_of(call.h_last),
           address_of(call.c0),
           address_of(call.c_last),
           address_of(call.output),
           address_of(call.reserve),
           engine.fault_address("recurrent"),
           sequence_part(layer, first, call.reverse, call.output)};
    engine.launch({.code = shaders::recurrent_sequence,
                   .constants = {plan.threads, 0, static_cast<uint32_t>(call.kind), plan.rows, word(layer.hidden)},
                   .name = "recurrent",
                   .shape = call.output.shape,
                   .reads = {&call.projected, &weight, call.bias_hh, call.lengths, call.h0, call.c0},
                   .writes = {&call.h_last, call.c_last, &call.output, call.reserve},
                   .groups = static_cast<uint64_t>(groups),
                   .work = share},
                  push);
  });
}

void backward_sequence(Engine& engine, const RecurrentBackwardCall& call, const SequencePlan& plan, const View& du) {
  const RecurrentCall& forward = call.forward;
  const Layer layer(engine, forward);
  const double work = layer.work() * static_cast<double>(layer.time);
  launch_in_parts(engine, static_cast<int64_t>(plan.groups), work, [&](int64_t first, int64_t groups, double share) {
    struct {
      uint64_t weight, lengths, reserve, du, dprojected, doutput, dh_last, dc_last, dh0, dc0;
      SequencePart part;
    } push{address_of(forward.weight_hh),
           address_of(forward.lengths),
           address_of(forward.reserve),
           address_of(du),
           address_of(call.dprojected),
           address_of(call.doutput),
           address_of(call.dh_last),
           address_of(call.dc_last),
           address_of(call.dh0),
           address_of(call.dc0),
           sequence_part(layer, first, forward.reverse, call.doutput)};
    engine.launch(
        {.code = shaders::recurrent_sequence_backward,
         .constants = {plan.backward_threads(layer, engine), 0, static_cast<uint32_t>(forward.kind), plan.rows,
                       word(layer.hidden), plan.parts},
         .name = "recurrent_backward",
         .shape = forward.output.shape,
         .reads = {&forward.weight_hh, forward.lengths, forward.reserve, &call.doutput, call.dh_last, call.dc_last},
         .writes = {&call.dprojected, &du, call.dh0, call.dc0},
         .groups = static_cast<uint64_t>(groups),
         .work = share},
        push);
  });
}

}  // namespace

void recurrent(Engine& engine, const RecurrentCalls& calls) {
  const std::optional<SequencePlan> plan = SequencePlan::of(engine, calls.front(), calls.size());
  if (!plan) return run_directions<ForwardSteps>(engine, calls);
  BufferRef memory[2];
  View weights[2];
  for (size_t i = 0; i < calls.size(); ++i)
    weights[i] = pack_weights(engine, calls[i], Layer(engine, calls[i]), memory[i]);
  for (size_t i = 0; i < calls.size(); ++i) forward_sequence(engine, calls[i], *plan, weights[i]);
}

void recurrent_backward(Engine& engine, const RecurrentBackwardCalls& calls) {
  const std::optional<SequencePlan> plan = SequencePlan::of(engine, calls.front().forward, calls.size());
  if (!plan) return run_directions<BackwardSteps>(engine, calls);
  BufferRef memory[2];
  View du[2];
  for (size_t i = 0; i < calls.size(); ++i) {
    const Layer layer(engine, calls[i].forward);
    du[i] = has_gradients_of_its_own(calls[i].forward.kind)
                ? engine.scratch(memory[i], f32, {layer.positions(), layer.inner()})
                : calls[i].dprojected;
    backward_sequence(engine, calls[i], *plan, du[i]);
  }
  for (size_t i = 0; i < calls.size(); ++i) weight_gradients(engine, calls[i], Layer(engine, calls[i].forward), du[i]);
}

}  // namespace fovea::vulkan
