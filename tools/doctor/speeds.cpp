#include <chrono>

#include "doctor/check.h"
#include "fovea/fovea.h"

namespace fovea::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double long_enough = 0.02;  // seconds that one run should take, where the largest size does

/// Something to time, of a size that grows until it takes long enough.
struct Probe {
  const char* operation;
  const char* unit;
  DType dtype;
  int64_t first, last;  // sizes, each twice the one before
  std::function<std::vector<Tensor>(int64_t size, TensorOptions)> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> run;
  std::function<double(int64_t size)> forward_work;   // in floating-point operations or bytes
  std::function<double(int64_t size)> backward_work;  // null: not timed
};

std::vector<Probe> probes() {
  const auto rows = [](int64_t size, TensorOptions options) { return std::vector{randn({size, 1024}, options)}; };
  const auto bytes = [](double passes) {
    return [passes](int64_t size) { return passes * 4 * 1024 * static_cast<double>(size); };
  };
  const auto flops = [](double times) {
    return [times](int64_t n) { return times * 2 * static_cast<double>(n * n) * static_cast<double>(n); };
  };
  const auto squares = [](int64_t n, TensorOptions options) {
    return std::vector{randn({n, n}, options), randn({n, n}, options)};
  };
  const auto product = [](const std::vector<Tensor>& x) { return matmul(x[0], x[1]); };
  constexpr int64_t least = 256, most = 65536;  // rows of 4 KiB: to 256 MiB
  return {
      {"copy", "GB/s", f32, least, most, rows, [](const auto& x) { return x[0].clone(); }, bytes(2), nullptr},
      {"add", "GB/s", f32, least, most, rows, [](const auto& x) { return x[0] + 1.5; }, bytes(2), nullptr},
      {"gelu", "GB/s", f32, least, most, rows, [](const auto& x) { return gelu(x[0]); }, bytes(2), bytes(3)},
      {"softmax", "GB/s", f32, least, most, rows, [](const auto& x) { return softmax(x[0], -1); }, bytes(2), bytes(3)},
      {"layer_norm", "GB/s", f32, least, most, rows, [](const auto& x) { return layer_norm(x[0]); }, bytes(2),
       bytes(3)},
      {"matmul", "GFLOP/s", f32, 256, 4096, squares, product, flops(1), flops(2)},
      {"matmul of f16", "GFLOP/s", f16, 256, 4096, squares, product, flops(1), flops(2)},
      {"matmul of bf16", "GFLOP/s", bf16, 256, 4096, squares, product, flops(1), flops(2)},
  };
}

/// Seconds of one run: of several, until they have taken five times `long_enough`.
double time(Backend& device, const std::function<void()>& run) {
  run();
  device.synchronize();
  int runs = 0;
  const auto begin = Clock::now();
  std::chrono::duration<double> elapsed{};
  do {
    run();
    device.synchronize();
    ++runs;
    elapsed = Clock::now() - begin;
  } while (elapsed.count() < 5 * long_enough);
  return elapsed.count() / runs;
}

Speed measure(const Probe& probe, Device device) {
  Backend& on = backend(device);
  Speed speed{.operation = probe.operation, .size = {}, .unit = probe.unit};
  for (int64_t size = probe.first; size <= probe.last; size *= 2) {
    std::vector<Tensor> inputs = probe.inputs(size, {probe.dtype, device});
    speed.size = fmt::format("{}", inputs[0].shape());
    const double forward = time(on, [&] { probe.run(inputs); });
    speed.forward = probe.forward_work(size) / forward * 1e-9;
    if (forward < long_enough && size < probe.last) continue;
    if (!probe.backward_work) break;
    for (Tensor& x : inputs) x.set_requires_grad();
    const Tensor seed = ones_like(probe.run(inputs)).detach();
    const double both = time(on, [&] { autograd::grad({probe.run(inputs)}, inputs, {seed}); });
    speed.backward = both > forward ? probe.backward_work(size) / (both - forward) * 1e-9 : 0;
    break;
  }
  return speed;
}

}  // namespace

std::vector<Speed> measure_speeds(Device device) {
  std::vector<Speed> speeds;
  for (const Probe& probe : probes()) {
    try {
      speeds.push_back(measure(probe, device));
    } catch (const DeviceError&) {
      continue;  // a kernel that it lacks is told of elsewhere
    }
  }
  return speeds;
}

}  // namespace fovea::doctor
