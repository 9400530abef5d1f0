#include "fovea/backends/vulkan/recurrent_sequence.h"

#include <algorithm>

#include "fovea/backends/vulkan/tiles.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {
namespace {

// A step alone costs a GPU its start and its end, some 7 us. In a whole sequence every workgroup reads all weights at
// each step, so these must be few enough to stay near it; and the length is bounded for the watchdog's sake. Nothing
// that was measured may decide: the paths differ in their last bits.
bool pays(const Engine& engine, const RecurrentLayer& layer) {
  constexpr int64_t most_weights = int64_t{1} << 16, least_time = 4, most_time = 8192;
  if (engine.physical().is_cpu()) return false;
  return layer.inner() * layer.hidden <= most_weights && layer.time >= least_time && layer.time <= most_time;
}

uint32_t warps(int64_t threads, int64_t most) { return word(std::min((threads + 31) / 32 * 32, most)); }

/// The weights as recurrent_sequence.comp reads them: of each column four neighbours in turn, [hidden / 4, inner, 4].
View pack_weights(Engine& engine, const RecurrentCall& call, const RecurrentLayer& layer, BufferRef& memory) {
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
SequencePart sequence_part(const RecurrentLayer& layer, int64_t first, bool reverse, const View& output) {
  const auto stride = [&](int axis) { return static_cast<int32_t>(output.strides[axis]); };
  return {word(layer.batch), word(layer.time), word(first), reverse, stride(0), stride(1)};
}

void forward_sequence(Engine& engine, const RecurrentCall& call, const SequencePlan& plan, const View& weight) {
  const RecurrentLayer layer(engine, call);
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
  const RecurrentLayer layer(engine, forward);
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
         .constants = {warps(plan.parts * layer.hidden, engine.physical().workgroup_threads), 0,
                       static_cast<uint32_t>(forward.kind), plan.rows, word(layer.hidden), plan.parts},
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

std::optional<SequencePlan> SequencePlan::of(const Engine& engine, const RecurrentCall& call, size_t directions) {
  const RecurrentLayer layer(engine, call);
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

int64_t SequencePlan::shared_bytes(const RecurrentLayer& layer, uint32_t with_parts) const {
  const int64_t part_quads = ((layer.inner() + 3) / 4 + with_parts - 1) / with_parts;
  const int64_t backward = int64_t{rows} * with_parts * (part_quads * 16 + layer.hidden * 4);
  return std::max(backward, int64_t{rows} * ((layer.hidden + 3) / 4 * 16 + layer.inner() * 4));
}

void recurrent_sequences(Engine& engine, const RecurrentCalls& calls, const SequencePlan& plan) {
  BufferRef memory[2];
  View weights[2];
  for (size_t i = 0; i < calls.size(); ++i)
    weights[i] = pack_weights(engine, calls[i], RecurrentLayer(engine, calls[i]), memory[i]);
  for (size_t i = 0; i < calls.size(); ++i) forward_sequence(engine, calls[i], plan, weights[i]);
}

void recurrent_sequences_backward(Engine& engine, const RecurrentBackwardCalls& calls, const SequencePlan& plan,
                                  const View* du) {
  for (size_t i = 0; i < calls.size(); ++i) backward_sequence(engine, calls[i], plan, du[i]);
}

}  // namespace fovea::vulkan
