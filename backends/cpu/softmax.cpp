#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/row_kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
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
        softmax_backward_row(load_row(y + row * n, n, in.data()), load_row(dy + row * n, n, gradient.data()), result, n,
                             call.log);
        store_row(result, n, dx + row * n);
      }
    });
  });
}

}  // namespace fovea::cpu
