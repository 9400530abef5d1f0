#include <type_traits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

// V is what is summed up: f64 for floating numbers, so that the end of a long row is as exact as its
// beginning. C is what an element is converted by.
template <class V, class C, class T>
void scan_row(const T* x, T* out, int64_t n, bool reverse, bool exclusive) {
  V running(0);
  for (int64_t step = 0; step < n; ++step) {
    const int64_t i = reverse ? n - 1 - step : step;
    const V next = running + static_cast<V>(static_cast<C>(x[i]));
    out[i] = static_cast<T>(static_cast<C>(exclusive ? running : next));
    running = next;
  }
}

// The same of a sum that cannot overflow on the way: of four elements at a time, of which only the last waits for those
// before (a row of other rows beside it would share a few places of the cache with them).
template <class V, class C, class T>
void sum_row(const T* x, T* out, int64_t n, bool reverse, bool exclusive) {
  const auto walk = [&](auto at) {
    const auto value = [&](int64_t step) { return static_cast<V>(static_cast<C>(x[at(step)])); };
    const auto put = [&](int64_t step, V sum) { out[at(step)] = static_cast<T>(static_cast<C>(sum)); };
    V running = 0;
    int64_t step = 0;
    for (; step + 4 <= n; step += 4) {
      const V a = value(step), b = a + value(step + 1), c = b + value(step + 2), d = c + value(step + 3);
      put(step, exclusive ? running : running + a);
      put(step + 1, running + (exclusive ? a : b));
      put(step + 2, running + (exclusive ? b : c));
      put(step + 3, running + (exclusive ? c : d));
      running += d;
    }
    for (; step < n; ++step) {
      const V next = running + value(step);
      put(step, exclusive ? running : next);
      running = next;
    }
  };
  if (reverse) return walk([n](int64_t step) { return n - 1 - step; });
  walk([](int64_t step) { return step; });
}

template <class V, class C, class T>
void scan_rows(const ScanCall& call) {
  const int64_t n = call.x.shape.back(), rows = call.x.numel() / n;
  const T* x = call.x.data<T>();
  T* out = call.out.data<T>();
  parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      if constexpr (!std::is_same_v<T, double>) {
        sum_row<V, C>(x + row * n, out + row * n, n, call.reverse, call.exclusive);
      } else {
        scan_row<V, C>(x + row * n, out + row * n, n, call.reverse, call.exclusive);
      }
    }
  });
}

}  // namespace

void scan(const ScanCall& call) {
  if (call.x.numel() == 0) return;
  // Unsigned: a sum that overflows wraps around.
  if (call.x.dtype == DType::i32) return scan_rows<uint32_t, uint32_t, int32_t>(call);
  visit_floating("scan", call.x.dtype, [&]<class T>(T) { scan_rows<double, Compute<T>, T>(call); });
}

}  // namespace fovea::cpu
