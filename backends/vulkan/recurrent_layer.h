#pragma once

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/kernels.h"

namespace fovea::vulkan {

/// What kernels of one direction of a layer go by.
struct RecurrentLayer {
  static constexpr uint32_t across = 8;  // recurrent_step.glsl's

  int64_t batch, time, hidden, gates, reserved;
  Constants constants;
  uint64_t groups;

  RecurrentLayer(const Engine& engine, const RecurrentCall& call)
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
inline bool has_gradients_of_its_own(RecurrentKind kind) { return kind == RecurrentKind::gru; }

}  // namespace fovea::vulkan
