#include <algorithm>
#include <cmath>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/math.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

template <class V>
struct Moments {
  V mean, rstd;
};

// y = (x - mean) * rstd * weight + bias
template <class V>
Moments<V> norm_row(const V* x, const V* weight, const V* bias, V* y, int64_t n, V eps, bool rms) {
  const V count = static_cast<V>(n), mean = rms ? V(0) : sum(x, n) / count;
  const V rstd = 1 / std::sqrt(sum_squares(x, mean, n) / count + eps);
  scale(x, mean, rstd, weight, bias, y, n);
  return {mean, rstd};
}

// With g = dy * weight and h = (x - mean) * rstd: dx = rstd * (g - mean(g) - h * mean(g * h)), where rms lacks the
// middle term.
template <class V>
void backward_row(const V* h, const V* dy, const V* weight, V rstd, V* dx, int64_t n, bool rms) {
  const V count = static_cast<V>(n);
  if (weight) {
    for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * weight[i];
  } else {
    std::copy_n(dy, n, dx);
  }
  const V shift = rms ? V(0) : sum(dx, n) / count, slope = dot(dx, h, n) / count;
  for (int64_t i = 0; i < n; ++i) dx[i] = rstd * (dx[i] - shift - h[i] * slope);
}

template <class T>
void backward(const LayerNormBackwardCall& call) {
  using V = Compute<T>;
  const int64_t n = call.x.rank() ? call.x.shape.back() : 1, rows = call.x.numel() / n;
  const DenseVector<T> weight(call.weight);
  const T *x = call.x.data<T>(), *dy = call.dy.data<T>();
  const ResultRows<T> dx(call.dx ? call.dx->data<T>() : nullptr, rows, n);
  const RowValues<V> rstd(call.rstd), mean(call.rms ? call.rstd : *call.mean);
  // Sums over rows: a partial row of dweight and dbias per chunk, then the chunks in order. At most 64 chunks.
  const int64_t grain = std::max(rows_per_chunk(n), (rows + 63) / 64), chunks = divide_up(rows, grain);
  const bool sums = call.dweight || call.dbias;
  const Scratch<V> partial(sums ? chunks * 2 * n : 0);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    const Scratch<V> normal(n), in(n), gradient(n), out(n);
    V *dweight = partial.data() + begin / grain * 2 * n, *dbias = dweight + n;
    if (sums) std::fill_n(dweight, 2 * n, V(0));
    for (int64_t row = begin; row < end; ++row) {
      const V *values = load_row(x + row * n, n, in.data()), *g = load_row(dy + row * n, n, gradient.data());
      const V scale = rstd.get(row), center = call.rms ? V(0) : mean.get(row);
      V* h = normal.data();
      for (int64_t i = 0; i < n; ++i) h[i] = (values[i] - center) * scale;
      if (sums) {
        for (int64_t i = 0; i < n; ++i) dweight[i] += g[i] * h[i];
        for (int64_t i = 0; i < n; ++i) dbias[i] += g[i];
      }
      if (!call.dx) continue;
      V* result = dx.room(row, out.data());
      backward_row(h, g, weight.data(), scale, result, n, call.rms);
      dx.store(result, row);
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
    const RowValues<V> rstd(call.rstd), mean(call.mean ? *call.mean : call.rstd);
    const T* x = call.x.data<T>();
    const ResultRows<T> y(call.y.data<T>(), rows, n);
    parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      const Scratch<V> in(n), out(n);
      for (int64_t row = begin; row < end; ++row) {
        V* result = y.room(row, out.data());
        const Moments<V> moments = norm_row(load_row(x + row * n, n, in.data()), weight.data(), bias.data(), result, n,
                                            static_cast<V>(call.eps), call.rms);
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
