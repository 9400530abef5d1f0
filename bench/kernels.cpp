// Times single kernels with Google Benchmark: products at the sizes that models have, elementwise functions, row
// kernels, and what one small operation costs with its graph.
//
//     build/release/bench/kernels --benchmark_filter=product --benchmark_repetitions=5

#include <benchmark/benchmark.h>

#include "fovea/fovea.h"

namespace {

using namespace fovea;

void rates(benchmark::State& state, double operations, double bytes) {
  using benchmark::Counter;
  if (operations > 0) state.counters["GFLOP/s"] = Counter(operations * 1e-9, Counter::kIsIterationInvariantRate);
  if (bytes > 0) state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
}

void product(benchmark::State& state) {
  const NoGrad off;
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const Tensor a = randn({m, k}), b = randn({n, k});
  for (auto _ : state) benchmark::DoNotOptimize(matmul(a, b.mT()));
  rates(state, 2.0 * static_cast<double>(m * n * k), 0);
}
BENCHMARK(product)
    ->ArgNames({"m", "n", "k"})
    ->Args({1, 384, 128})
    ->Args({32, 384, 128})
    ->Args({128, 512, 784})
    ->Args({2048, 384, 128})
    ->Args({2048, 512, 128})
    ->Args({2048, 128, 512})
    ->Args({4096, 1024, 256})
    ->Args({4096, 256, 1024})
    ->UseRealTime();

void elementwise(benchmark::State& state, Tensor (*f)(const Tensor&)) {
  const NoGrad off;
  const int64_t n = state.range(0);
  const Tensor x = rand({n});
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
  rates(state, 0, 8.0 * static_cast<double>(n));
}
BENCHMARK_CAPTURE(elementwise, relu, [](const Tensor& x) { return relu(x); })->Arg(1 << 20)->UseRealTime();
BENCHMARK_CAPTURE(elementwise, exp, [](const Tensor& x) { return exp(x); })->Arg(1 << 20)->UseRealTime();
BENCHMARK_CAPTURE(elementwise, tanh, [](const Tensor& x) { return tanh(x); })->Arg(1 << 20)->UseRealTime();
BENCHMARK_CAPTURE(elementwise, gelu, [](const Tensor& x) { return gelu(x); })->Arg(1 << 20)->UseRealTime();

void rows(benchmark::State& state, Tensor (*f)(const Tensor&)) {
  const NoGrad off;
  const Tensor x = randn({state.range(0), state.range(1)});
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
  rates(state, 0, 8.0 * static_cast<double>(x.numel()));
}
BENCHMARK_CAPTURE(rows, softmax, [](const Tensor& x) { return softmax(x, -1); })->Args({4096, 1024})->UseRealTime();
BENCHMARK_CAPTURE(rows, sum, [](const Tensor& x) { return sum(x, 1); })->Args({4096, 1024})->UseRealTime();

/// An operation on 16 numbers, recorded.
void small_forward(benchmark::State& state) {
  const Tensor x = randn({16}).set_requires_grad(), y = randn({16});
  for (auto _ : state) benchmark::DoNotOptimize(x * y);
}
BENCHMARK(small_forward);

/// The same in a chain of a hundred, with its backward pass; the time is of one operation.
void small_forward_backward(benchmark::State& state) {
  Tensor x = randn({16}).set_requires_grad();
  const Tensor y = randn({16}), seed = ones({16});
  while (state.KeepRunningBatch(100)) {
    x.zero_grad();
    Tensor z = x;
    for (int i = 0; i < 100; ++i) z = z * y;
    z.backward(seed);
  }
}
BENCHMARK(small_forward_backward);

}  // namespace

BENCHMARK_MAIN();
