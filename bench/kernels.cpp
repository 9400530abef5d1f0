// Times single kernels with Google Benchmark: products at the sizes that models have beside those of OpenBLAS and, where it
// is installed, oneDNN; elementwise functions, row kernels, and what one small operation costs with its graph.
//
//     build/release/bench/kernels --benchmark_filter=product --benchmark_repetitions=5

#include <benchmark/benchmark.h>
#include <cblas.h>
#include <omp.h>

#include <array>

#include "fovea/fovea.h"
#ifdef FOVEA_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

namespace {

using namespace fovea;

void rates(benchmark::State& state, double operations, double bytes) {
  using benchmark::Counter;
  if (operations > 0) state.counters["GFLOP/s"] = Counter(operations * 1e-9, Counter::kIsIterationInvariantRate);
  if (bytes > 0) state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
}

float* floats(const Tensor& x) { return x.view().data<float>(); }

/// c [m, n] = a [m, k] times the transpose of b [n, k]: a layer's product.
void product(benchmark::State& state, void (*multiply)(const Tensor& a, const Tensor& b)) {
  const NoGrad off;
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const int threads = num_threads(), of_openmp = omp_get_max_threads();
  set_num_threads(static_cast<int>(state.range(3)));
  omp_set_num_threads(num_threads());
  const Tensor a = randn({m, k}), b = randn({n, k});
  for (auto _ : state) multiply(a, b);
  rates(state, 2.0 * static_cast<double>(m * n * k), 0);
  set_num_threads(threads);
  omp_set_num_threads(of_openmp);
}

void products(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"m", "n", "k", "threads"})->UseRealTime();
  for (const int64_t threads : {1, 2}) {
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 384, 128},
                                  {32, 384, 128},
                                  {128, 512, 784},
                                  {2048, 384, 128},
                                  {2048, 512, 128},
                                  {2048, 128, 512},
                                  {4096, 1024, 256},
                                  {4096, 256, 1024},
                                  {2048, 2048, 2048}})
      bench->Args({m, n, k, threads});
  }
}
BENCHMARK_CAPTURE(product, fovea, [](const Tensor& a, const Tensor& b) {
  benchmark::DoNotOptimize(matmul(a, b.mT()));
})->Apply(products);
BENCHMARK_CAPTURE(product, openblas, [](const Tensor& a, const Tensor& b) {
  const Tensor c = empty({a.size(0), b.size(0)});
  const auto m = static_cast<blasint>(a.size(0)), n = static_cast<blasint>(b.size(0)),
             k = static_cast<blasint>(a.size(1));
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, floats(a), k, floats(b), k, 0, floats(c), n);
})->Apply(products);
#ifdef FOVEA_ONEDNN
BENCHMARK_CAPTURE(product, onednn, [](const Tensor& a, const Tensor& b) {
  const Tensor c = empty({a.size(0), b.size(0)});
  dnnl_sgemm('N', 'T', a.size(0), b.size(0), a.size(1), 1, floats(a), a.size(1), floats(b), a.size(1), 0, floats(c),
             b.size(0));
})->Apply(products);
#endif

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
