#include <algorithm>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

struct Place {
  int32_t first, count, begin;
};

template <class T>
struct Operands {
  const T* x;
  const Place* places;
  const T* weights;
  T* out;
  int64_t n, m;  // elements of the axis of x and of out
};

/// A row of `inner` elements: the weighted sum of `count` neighbouring rows of x.
template <class T>
void mix_rows(const T* x, const T* weights, int32_t count, int64_t inner, T* out) {
  if (count == 0) {
    std::fill_n(out, inner, T(0));
    return;
  }
  const T a = weights[0];
  if (count == 1) {
    for (int64_t c = 0; c < inner; ++c) out[c] = a * x[c];
    return;
  }
  const T *second = x + inner, b = weights[1];
  for (int64_t c = 0; c < inner; ++c) out[c] = a * x[c] + b * second[c];
  for (int32_t k = 2; k < count; ++k) {
    const T *row = x + k * inner, weight = weights[k];
    for (int64_t c = 0; c < inner; ++c) out[c] += weight * row[c];
  }
}

/// Elements [begin, end) of `rows` neighbouring lines, each the weighted sum of neighbours within its line. Several lines
/// share the places and weights that are read.
template <int rows, class T>
void mix_columns(const Operands<T>& o, int64_t line, int64_t begin, int64_t end) {
  const T* x = o.x + line * o.n;
  T* out = o.out + line * o.m;
  for (int64_t i = begin; i < end; ++i) {
    const Place& place = o.places[i];
    const T *from = x + place.first, *weights = o.weights + place.begin;
    if (place.count == 2) {
      const T a = weights[0], b = weights[1];
      for (int r = 0; r < rows; ++r) out[r * o.m + i] = a * from[r * o.n] + b * from[r * o.n + 1];
      continue;
    }
    T sums[rows] = {};
    for (int32_t k = 0; k < place.count; ++k) {
      const T weight = weights[k];
      for (int r = 0; r < rows; ++r) sums[r] += weight * from[r * o.n + k];
    }
    for (int r = 0; r < rows; ++r) out[r * o.m + i] = sums[r];
  }
}

template <class T>
void mix_last_axis(const Operands<T>& o, int64_t lines) {
  constexpr int rows = 8;
  constexpr int64_t columns = 2048;
  const int64_t across = divide_up(o.m, columns);
  parallel_for(divide_up(lines, int64_t{rows}) * across, 1 + columns / o.m, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t line = block / across * rows, begin = block % across * columns;
      const int64_t end = std::min(begin + columns, o.m);
      if (line + rows <= lines) {
        mix_columns<rows>(o, line, begin, end);
      } else {
        for (int64_t each = line; each < lines; ++each) mix_columns<1>(o, each, begin, end);
      }
    }
  });
}

}  // namespace

void band(const BandCall& call) {
  const int64_t outer = call.x.shape[0], inner = call.x.shape[2];
  const auto run = [&]<class T>(T) {
    const Operands<T> o{call.x.data<T>(),       reinterpret_cast<const Place*>(call.places.data<int32_t>()),
                        call.weights.data<T>(), call.out.data<T>(),
                        call.x.shape[1],        call.out.shape[1]};
    if (inner == 1) return mix_last_axis(o, outer);
    const int64_t each = 1 + call.weights.numel() / o.m;
    parallel_for(outer * o.m, rows_per_chunk(each * inner), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const Place& place = o.places[row % o.m];
        mix_rows(o.x + (row / o.m * o.n + place.first) * inner, o.weights + place.begin, place.count, inner,
                 o.out + row * inner);
      }
    });
  };
  call.x.dtype == DType::f64 ? run(double{}) : run(float{});
}

}  // namespace fovea::cpu
