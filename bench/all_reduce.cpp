// How long the ranks of a run take to add up values: mpirun -np 4 build/release/bench/all_reduce
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "fovea/train/process_group.h"

using namespace fovea;
using Clock = std::chrono::steady_clock;

namespace {

/// Seconds of one sum of `count` values: the median of several, as rank 0 sees them.
double seconds_of(train::ProcessGroup& group, size_t count) {
  std::vector<float> values(count);
  std::vector<double> times;
  const int repeats = count < 100'000 ? 200 : 20;
  for (int i = -5; i < repeats; ++i) {
    group.barrier();
    const auto start = Clock::now();
    group.start_all_reduce(values)->wait();
    if (i >= 0) times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return times[static_cast<size_t>(repeats / 2)];
}

}  // namespace

int main() {
  train::ProcessGroup* group = nullptr;
  try {
    group = train::ProcessGroup::start();
    if (!group) {
      fmt::print(stderr, "start it by mpirun, with two ranks or more\n");
      return 2;
    }
    for (size_t count = 1; count <= size_t{1} << 22; count *= 4) {
      const double seconds = seconds_of(*group, count);
      if (group->first()) {
        fmt::print("{:10} bytes {:10.1f} us {:8.3f} GB/s\n", 4 * count, 1e6 * seconds,
                   4e-9 * static_cast<double>(count) / seconds);
      }
    }
    group->finish();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    if (group) group->abandon(1);
    return 2;
  }
}
