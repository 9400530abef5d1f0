#include <algorithm>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/row_kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

template <class T>
void backward(const LayerNormBackwardCall& call) {
  using V = Compute<T>;
  const int64_t n = call.x.rank() ? call.x.shape.back() : 1, rows = call.x.numel() / n;
  const DenseVector<T> weight(call.weight);
  const Norm<V> norm{.weight = weight.data(), .bias = nullptr, .eps = 0, .rms = call.rms};
  const T *x = call.x.data<T>(), *dy = call.dy.data<T>();
  const ResultRows<T> dx(call.dx ? call.dx->data<T>() : nullptr, rows, n);
  const RowValues<V> rstd(call.rstd), mean(call.rms ? call.rstd : *call.mean);
  // Sums over rows: a partial row of dweight and dbias per chunk, then the chunks in order. At most 64 chunks.
  const int64_t grain = std::max(rows_per_chunk(n), (rows + 63) / 64), chunks = divide_up(rows, grain);
  const bool sums = call.dweight || call.dbias;
  const Scratch<V> partial(sums ? chunks * 2 * n : 0);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    const Scratch<V> normal(n), in(n), gradient(n), out(n);
    V* dweight = sums ? partial.data() + begin / grain * 2 * n : nullptr;
    if (sums) std::fill_n(dweight, 2 * n, V(0));
    for (int64_t row = begin; row < end; ++row) {
      V* result = call.dx ? dx.room(row, out.data()) : nullptr;
      norm_backward_row(norm, {call.rms ? V(0) : mean.get(row), rstd.get(row)}, load_row(x + row * n, n, in.data()),
                        load_row(dy + row * n, n, gradient.data()), normal.data(), result, dweight,
                        sums ? dweight + n : nullptr, n);
      if (result) dx.store(result, row);
    }
    dx.finish();
  });
  const auto finish = [&](const View* view, const V* first) {
    if (!view) return;
    const Scratch<V> total(n);
    std::fill_n(total.data(), n, V(0));
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      for (int64_t i = 0; i < n; ++i) total[i] += first[chunk * 2 * n + i];
    }
    for (int64_t i = 0; i < n; ++i) view->data<T>()[i] = T(total[i]);
  };
  finish(call.dweight, partial.data());
  finish(call.dbias, partial.data() + n);
}

}  // namespace

void layer_norm(const LayerNormCall& call) {
  if (call.x.numel() == 0) return;
  const int64_t n = call.x.rank() ? call.x.shape.back() : 1, rows = call.x.numel() / n;
  visit_floating("layer_norm", call.x.dtype, [&]<class T>(T) {
    using V = Compute<T>;
    const DenseVector<T> weight(call.weight), bias(call.bias);
    const Norm<V> norm{weight.data(), bias.data(), static_cast<V>(call.eps), call.rms};
    const RowValues<V> rstd(call.rstd), mean(call.mean ? *call.mean : call.rstd);
    const T* x = call.x.data<T>();
    const ResultRows<T> y(call.y.data<T>(), rows, n);
    parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      const Scratch<V> in(n), out(n);
      for (int64_t row = begin; row < end; ++row) {
        V* result = y.room(row, out.data());
        const Moments<V> moments = norm_row(norm, load_row(x + row * n, n, in.data()), result, n);
        y.store(result, row);
        if (call.mean) mean.set(row, moments.mean);
        rstd.set(row, moments.rstd);
      }
      y.finish();
    });
  });
}

void layer_norm_backward(const LayerNormBackwardCall& call) {
  visit_floating("layer_norm_backward", call.x.dtype, [&]<class T>(T) {
    if (call.x.numel() > 0) return backward<T>(call);
    for (const View* view : {call.dweight, call.dbias}) {
      if (view) std::fill_n(view->data<T>(), view->numel(), T(0));
    }
  });
}

}  // namespace fovea::cpu
