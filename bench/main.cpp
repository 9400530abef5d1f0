// Times named workloads and prints one JSON object a line; see docs/benchmarks.md.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/capture.h"
#include "fovea/backends/soundness.h"
#include "host_cost.h"
#include "workloads.h"

namespace {

using namespace fovea;
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

/// The most that the process has held. (getrusage() counts whoever started it, too, until the program was loaded.)
long peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib / 1024;
  }
  return 0;
}

double mebibytes(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

/// Three steps to warm up, then up to `steps` steps or eight seconds.
void measure(const bench::Workload& workload, Device device, int steps, bool captured, DType precision) {
  manual_seed(0);
  const Autocast products(precision);
  std::function<Tensor()> step = workload.prepare(device).step;
  if (captured) {
    step = [replayed = std::make_shared<Captured<std::function<Tensor()>>>(capture(step))] { return (*replayed)(); };
  }
  Backend& on = backend(device);
  for (int i = 0; i < 3; ++i) step();
  on.synchronize();
  std::vector<double> times;
  for (const auto start = Clock::now();
       static_cast<int>(times.size()) < steps && milliseconds(Clock::now() - start) < 8000;) {
    const auto before = Clock::now();
    step();
    on.synchronize();
    times.push_back(milliseconds(Clock::now() - before));
  }
  std::sort(times.begin(), times.end());
  const MemoryStats memory = on.memory();
  fmt::print(
      "{{\"workload\": \"{}\", \"ms\": {:.4f}, \"min_ms\": {:.4f}, \"runs\": {}, \"device\": \"{}\", "
      "\"threads\": {}, \"capture\": {}, \"precision\": \"{}\", \"peak_mib\": {}, \"tensor_mib\": {:.2f}, "
      "\"held_mib\": {:.2f}}}\n",
      workload.name, times[times.size() / 2], times.front(), times.size(), device, num_threads(), captured, precision,
      peak_mib(), mebibytes(memory.peak), mebibytes(memory.live + memory.cached));
  std::fflush(stdout);
}

/// What the machine can do at best: the rate of a large product, and of copying memory that no cache holds (bytes read
/// and written).
void measure_rates(Device device) {
  Backend& on = backend(device);
  const auto best_of = [&](int times, const std::function<void()>& f) {
    double best = HUGE_VAL;
    for (int i = 0; i < times; ++i) {
      const auto before = Clock::now();
      f();
      on.synchronize();
      best = std::min(best, milliseconds(Clock::now() - before));
    }
    return best;
  };
  const NoGrad off;
  constexpr int64_t side = 2048, count = int64_t{1} << 25;
  const Tensor a = randn({side, side}).to(device), b = randn({side, side}).to(device);
  const Tensor from = zeros({count}).to(device), to = zeros({count}).to(device);
  const double product = best_of(5, [&] { matmul(a, b); });
  const double copied = best_of(9, [&] { Tensor(to).copy_(from); });
  fmt::print("{{\"gflops\": {:.1f}, \"copy_gb_per_s\": {:.2f}, \"device\": \"{}\", \"threads\": {}}}\n",
             2.0 * side * side * side / product * 1e-6, 2.0 * 4 * count / copied * 1e-6, device, num_threads());
}

/// Time and memory of attention's training step from 512 to 16384 positions, of one head of 16: queries, keys, values,
/// the read and their gradients are 8 * 16 * 4 bytes a position; the scores alone would be 1 GiB at the end.
void measure_attention_lengths(Device device) {
  Backend& on = backend(device);
  for (int64_t time = 512; time <= 16384; time *= 2) {
    manual_seed(0);
    const auto input = [&] { return randn({1, 1, time, 16}).to(device).set_requires_grad(true); };
    const Tensor q = input(), k = input(), v = input();
    on.synchronize();
    const auto before = Clock::now();
    sum(scaled_dot_product_attention(q, k, v)).backward();
    on.synchronize();
    // The greatest length so far is the one that took the most.
    fmt::print(
        "{{\"attention_length\": {}, \"ms\": {:.1f}, \"tensor_mib\": {:.2f}, \"device\": \"{}\", \"threads\": {}}}\n",
        time, milliseconds(Clock::now() - before), mebibytes(on.memory().peak), device, num_threads());
    std::fflush(stdout);
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Times training steps, inference and single operations"};
  std::vector<std::string> names;
  int steps = 200;
  int threads = 0;
  std::string device = to_string(default_device());
  std::string capture = "off", precision = "f32";
  bool list = false, more = false, host = false, rates = false, lengths = false;
  app.add_option("workloads", names, "Which workloads to run (all but those of --more where none is named)");
  app.add_option("--steps", steps, "Steps to time at most, a workload")->check(CLI::PositiveNumber);
  app.add_option("--threads", threads, "Threads to use (0: one a core)")->check(CLI::NonNegativeNumber);
  app.add_option("--device", device, "cpu, vulkan or vulkan:N");
  app.add_option("--capture", capture, "on: record each step and run it again from its recording")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--precision", precision, "In which matrix products are computed")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  app.add_flag("--host-cost", host, "Time what an elementwise operation costs the host, no workload");
  app.add_flag("--attention-lengths", lengths,
               "Print time and memory of attention from 512 to 16384 positions, and end");
  app.add_flag("--list", list, "Print the names of the workloads and end");
  app.add_flag("--more", more, "The models beside the usual workloads, in place of those: list or run them");
  app.add_flag("--rates", rates, "Print the rates of a large product and of a copy, and end");
  CLI11_PARSE(app, argc, argv);

  std::vector<bench::Workload> workloads;
  const auto add = [&](const std::vector<bench::Workload>& part) {
    workloads.insert(workloads.end(), part.begin(), part.end());
  };
  const bool any = !list && !names.empty();
  if (any || !more) {
    add(bench::model_workloads());
    add(bench::operation_workloads());
    add(bench::loading_workloads());
  }
  if (any || more) add(bench::more_model_workloads());
  if (list) {
    for (const bench::Workload& workload : workloads) fmt::print("{}\n", workload.name);
    return 0;
  }
  for (const std::string& name : names) {
    if (std::none_of(workloads.begin(), workloads.end(), [&](const auto& w) { return w.name == name; })) {
      throw ValueError(fmt::format("bench: no workload is named '{}'; --list and --list --more name them", name));
    }
  }
  const Device chosen = Device::parse(device);
  require_sound(chosen);
  if (threads > 0) set_num_threads(threads);
  if (host) {
    const bench::HostCost cost = bench::host_cost(chosen);
    fmt::print("{{\"operation_us\": {:.3f}, \"ninth_decile_us\": {:.3f}, \"device\": \"{}\"}}\n", cost.median,
               cost.ninth_decile, device);
    return 0;
  }
  if (rates) {
    measure_rates(chosen);
    return 0;
  }
  if (lengths) {
    measure_attention_lengths(chosen);
    return 0;
  }
  for (const bench::Workload& workload : workloads) {
    if (names.empty() || std::find(names.begin(), names.end(), workload.name) != names.end()) {
      measure(workload, chosen, steps, capture == "on", precision == "bf16" ? bf16 : precision == "f16" ? f16 : f32);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
