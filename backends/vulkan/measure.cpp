#include "fovea/backends/vulkan/measure.h"

#include <algorithm>
#include <limits>

#include "fovea/backends/vulkan/device_timer.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"

namespace fovea::vulkan {
namespace {

constexpr double unwritten = 60000;  // in every type far from what is measured here
constexpr double warm_seconds = 0.02;
constexpr int most_warm_rounds = 100;

/// The greatest |x - y| and the greatest |y|; a NaN is greater than all.
const Program& distance_program() {
  static const Program program = [] {
    Program p;
    p.name = "distance";
    p.inputs = 2;
    p.code = {{Op::input, {}, 0}, {Op::input, {}, 1}, {Op::sub, {0, 1}}, {Op::abs, {2}}, {Op::abs, {1}}};
    p.outputs = {{3, Combine::maximum}, {4, Combine::maximum}};
    return p;
  }();
  return program;
}

double distance(Engine& engine, const View& got, const View& want) {
  BufferRef memory;
  View error = engine.scratch(memory, f32, {2});
  error.shape = {1};
  View scale = error;
  scale.offset = 1;
  const Shape space{want.numel()};
  const auto flat = [&](View view) {
    view.shape = space;
    view.strides = contiguous_strides(space);
    return view;
  };
  const View x = flat(got), y = flat(want);
  const View* inputs[] = {&x, &y};
  const View* outputs[] = {&error, &scale};
  map(engine, {distance_program(), f32, space, inputs, outputs, {}});
  float values[2];
  engine.read(*static_cast<VulkanBuffer*>(memory.get()), 0, values, sizeof values);
  if (values[0] == 0) return 0;
  return static_cast<double>(values[0]) / static_cast<double>(values[1]);
}

}  // namespace

std::vector<Measurement> measure(Engine& engine, const Candidate& reference, const std::vector<Candidate>& candidates,
                                 const View& like, double tolerance) {
  BufferRef want_memory, got_memory;
  const View want = engine.scratch(want_memory, like.dtype, like.shape);
  const View got = engine.scratch(got_memory, like.dtype, like.shape);
  reference.run(want);
  DeviceTimer timer(engine);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr Measurement wrong{.error = infinity};
  std::vector<Measurement> measurements;
  for (const Candidate& candidate : candidates) {
    Measurement m;
    try {
      fill(engine, got, unwritten);
      candidate.run(got);
      m.error = distance(engine, got, want);
      m.right = m.error <= tolerance;
    } catch (const DeviceError&) {
      m = wrong;
    }
    m.seconds = m.right ? infinity : 0;
    measurements.push_back(m);
  }
  // In turn, so that what changes meanwhile changes it for all.
  const auto round = [&](auto note) {
    double spent = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      Measurement& m = measurements[i];
      if (!m.right) continue;
      try {
        const double seconds = timer.seconds([&] { candidates[i].run(got); });
        note(m, seconds);
        spent += seconds;
      } catch (const DeviceError&) {
        m = wrong;
      }
    }
    return spent;
  };
  // A GPU that had nothing to do runs slowly at first.
  double warm = engine.physical().is_cpu() ? warm_seconds : 0;
  for (int i = 0; i < most_warm_rounds && warm < warm_seconds; ++i) warm += round([](Measurement&, double) {});
  for (int i = 0; i < 3; ++i) round([](Measurement& m, double seconds) { m.seconds = std::min(m.seconds, seconds); });
  return measurements;
}

int fastest(const std::vector<Measurement>& measurements) {
  int best = -1;
  for (size_t i = 0; i < measurements.size(); ++i) {
    const auto& m = measurements[i];
    if (m.right && (best < 0 || m.seconds < measurements[static_cast<size_t>(best)].seconds))
      best = static_cast<int>(i);
  }
  return best;
}

}  // namespace fovea::vulkan
