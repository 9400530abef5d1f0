// Times what one elementwise operation costs the host: shape check, allocation, hazard check, recording, but not the
// device's work; see docs/benchmarks.md.

#include "host_cost.h"

#include <algorithm>
#include <chrono>

#include "fovea/fovea.h"

namespace fovea::bench {

HostCost host_cost(Device device, int operations) {
  using Clock = std::chrono::steady_clock;
  const NoGrad off;
  Backend& on = backend(device);
  const Tensor y = full({64}, 0.5, {f32, device});
  std::vector<double> times;
  times.reserve(static_cast<size_t>(operations));
  Tensor x = zeros({64}, {f32, device});
  // The first round makes the shader and fills the allocator's cache.
  for (int round = 0; round < 2; ++round) {
    times.clear();
    on.synchronize();
    for (int i = 0; i < operations; ++i) {
      const auto before = Clock::now();
      x = x + y;
      times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
    }
  }
  on.synchronize();
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 9 / 10], x.to_vector<double>()[0]};
}

}  // namespace fovea::bench
