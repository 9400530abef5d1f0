#include <cmath>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/math.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

template <class V>
void softmax_row(const V* x, V* y, int64_t n, bool log) {
  const V shift = maximum(x, n);
  if (log) {
    const V log_sum = std::log(sum_exp(x, shift, n));
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - shift) - log_sum;  // shift + log_sum would lose large logits' digits
  } else {
    const V total = exp_shifted(x, shift, y, n);
    scale(y, V(0), 1 / total, nullptr, nullptr, y, n);
  }
}

template <class V>
void backward_row(const V* y, const V* dy, V* dx, int64_t n, bool log) {
  if (log) {
    const V total = sum(dy, n);
    exp(y, dx, n);
    for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] - dx[i] * total;
  } else {
    const V total = dot(y, dy, n);
    for (int64_t i = 0; i < n; ++i) dx[i] = y[i] * (dy[i] - total);
  }
}

}  // namespace

void softmax(const SoftmaxCall& call) {
  if (call.x.numel() == 0) return;
  const int64_t n = call.x.rank() ? call.x.shape.back() : 1, rows = call.x.numel() / n;
  visit_floating("softmax", call.x.dtype, [&]<class T>(T) {
    const T* x = call.x.data<T>();
    T* y = call.out.data<T>();
    parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      const Scratch<Compute<T>> in(n), out(n);
      for (int64_t row = begin; row < end; ++row) {
        Compute<T>* result = result_row(y + row * n, out.data());
        softmax_row(load_row(x + row * n, n, in.data()), result, n, call.log);
        store_row(result, n, y + row * n);
      }
    });
  });
}

void softmax_backward(const SoftmaxBackwardCall& call) {
  if (call.y.numel() == 0) return;
  const int64_t n = call.y.rank() ? call.y.shape.back() : 1, rows = call.y.numel() / n;
  visit_floating("softmax_backward", call.y.dtype, [&]<class T>(T) {
    const T *y = call.y.data<T>(), *dy = call.dy.data<T>();
    T* dx = call.dx.data<T>();
    parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      const Scratch<Compute<T>> in(n), gradient(n), out(n);
      for (int64_t row = begin; row < end; ++row) {
        Compute<T>* result = result_row(dx + row * n, out.data());
        backward_row(load_row(y + row * n, n, in.data()), load_row(dy + row * n, n, gradient.data()), result, n,
                     call.log);
        store_row(result, n, dx + row * n);
      }
    });
  });
}

}  // namespace fovea::cpu
