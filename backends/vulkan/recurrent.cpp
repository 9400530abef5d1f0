#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Recurrent layers: one dispatch a time step, forward and backward.
namespace fovea::vulkan {
namespace {

constexpr uint32_t across = 8;  // recurrent.glsl's
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
      throw DeviceError(fmt::format("recurrent: Vulkan devices run it in f32, not {}", call.output.dtype));
    // Few members a thread make many workgroups, many read the weights less often.
    const uint32_t rows = batch <= (engine.physical().is_cpu() ? 8 : 64) ? 1 : 4;
    constants = {across * across, 0, static_cast<uint32_t>(call.kind), rows};
    const auto tiles = [](int64_t n, int64_t tile) { return static_cast<uint64_t>((n + tile - 1) / tile); };
    groups = tiles(batch, across * rows) * tiles(hidden, across);
  }
  double work() const { return 2.0 * static_cast<double>(batch * hidden) * static_cast<double>(gates * hidden); }
  int64_t step(int64_t i, bool reverse) const { return reverse ? time - 1 - i : i; }
};

void copy_or_clear(Engine& engine, const View* from, const View& to) {
  if (from) {
    copy(engine, *from, to);
  } else {
    fill(engine, to, 0);
  }
}

}  // namespace

void recurrent(Engine& engine, const RecurrentCall& call) {
  const Layer layer(engine, call);
  if (layer.batch * layer.hidden == 0) return;
  if (layer.time == 0) {
    copy_or_clear(engine, call.h0, call.h_last);
    if (call.c_last) copy_or_clear(engine, call.c0, *call.c_last);
    return;
  }
  // The state goes to and fro between two buffers and ends in h_last.
  BufferRef memory[2];
  View states[2];
  for (int i = 0; i < 2; ++i) states[i] = engine.scratch(memory[i], f32, {layer.batch, layer.hidden});
  const View* h = call.h0;
  const View* c = call.c0;
  for (int64_t i = 0; i < layer.time; ++i) {
    const View* h_next = i + 1 == layer.time ? &call.h_last : &states[i % 2];
    struct {
      uint64_t projected, weight, bias, lengths, h, h_next, c, c_next, out, reserve;
      uint32_t batch, time, hidden, t;
      int32_t out_batch, out_time;
    } push{address_of(call.projected),
           address_of(call.weight_hh),
           address_of(call.bias_hh),
           address_of(call.lengths),
           address_of(h),
           address_of(h_next),
           address_of(c),
           address_of(call.c_last),
           address_of(call.output),
           address_of(call.reserve),
           word(layer.batch),
           word(layer.time),
           word(layer.hidden),
           word(layer.step(i, call.reverse)),
           static_cast<int32_t>(call.output.strides[0]),
           static_cast<int32_t>(call.output.strides[1])};
    engine.launch({.code = shaders::recurrent,
                   .constants = layer.constants,
                   .name = "recurrent",
                   .shape = call.output.shape,
                   .reads = {&call.projected, &call.weight_hh, call.bias_hh, call.lengths, h, c},
                   .writes = {h_next, call.c_last, &call.output, call.reserve},
                   .groups = layer.groups,
                   .work = layer.work()},
                  push);
    h = h_next;
    c = call.c_last;
  }
}

void recurrent_backward(Engine& engine, const RecurrentBackwardCall& call) {
  const RecurrentCall& forward = call.forward;
  const Layer layer(engine, forward);
  const int64_t positions = layer.batch * layer.time, inner = layer.gates * layer.hidden;
  if (positions * layer.hidden == 0) {
    fill(engine, call.dweight_hh, 0);
    if (call.dbias_hh) fill(engine, *call.dbias_hh, 0);
    if (call.dh0) copy_or_clear(engine, call.dh_last, *call.dh0);
    if (call.dc0) copy_or_clear(engine, call.dc_last, *call.dc0);
    return;
  }
  BufferRef du_memory, dh_memory, dc_memory;
  const Shape state{layer.batch, layer.hidden};
  // The gradients of the product are those of the projected input but for the gru's new gate.
  const bool separate = forward.kind == RecurrentKind::gru;
  const View own = separate ? engine.scratch(du_memory, f32, {positions, inner}) : View{};
  const View& du = separate ? own : call.dprojected;
  const View dh = engine.scratch(dh_memory, f32, state);
  const View dc = engine.scratch(dc_memory, f32, state);
  const View *dh_in = call.dh_last, *dc_in = call.dc_last;
  uint32_t next = no_step;
  const auto step = [&](uint32_t t, const View* dh_out, const View* dc_out, bool last) {
    struct {
      uint64_t weight, lengths, reserve, du, dprojected, doutput, dh, dh_next, dc, dc_next;
      uint32_t batch, time, hidden, t, t_next;
      int32_t out_batch, out_time;
      uint32_t last;
    } push{address_of(forward.weight_hh),
           address_of(forward.lengths),
           address_of(forward.reserve),
           address_of(du),
           address_of(call.dprojected),
           address_of(call.doutput),
           address_of(dh_in),
           address_of(dh_out),
           address_of(dc_in),
           address_of(dc_out),
           word(layer.batch),
           word(layer.time),
           word(layer.hidden),
           t,
           next,
           static_cast<int32_t>(call.doutput.strides[0]),
           static_cast<int32_t>(call.doutput.strides[1]),
           last};
    engine.launch({.code = shaders::recurrent_backward,
                   .constants = layer.constants,
                   .name = "recurrent_backward",
                   .shape = forward.output.shape,
                   .reads = {&forward.weight_hh, forward.lengths, forward.reserve, &du, &call.doutput, dh_in, dc_in},
                   .writes = {last ? nullptr : &call.dprojected, last || !separate ? nullptr : &du, dh_out, dc_out},
                   .groups = layer.groups,
                   .work = layer.work()},
                  push);
    dh_in = dh_out;
    dc_in = dc_out;
    next = t;
  };
  for (int64_t i = layer.time; i-- > 0;) step(word(layer.step(i, forward.reverse)), &dh, &dc, false);
  if (call.dh0 || call.dc0) step(0, call.dh0, call.dc0, true);

  // dW = sum over positions of du h^T, and the bias's share of it.
  View transposed = du, hidden = *forward.reserve;
  transposed.shape = {inner, positions};
  transposed.strides = {1, inner};
  hidden.offset += (layer.reserved - 1) * layer.hidden;
  hidden.shape = {positions, layer.hidden};
  hidden.strides = {layer.reserved * layer.hidden, 1};
  matmul(engine, {.a = transposed, .b = hidden, .out = call.dweight_hh});
  if (call.dbias_hh) {
    View rows = du;
    rows.shape = {positions, inner};
    rows.strides = {inner, 1};
    sum_rows(engine, rows, *call.dbias_hh);
  }
}

}  // namespace fovea::vulkan
