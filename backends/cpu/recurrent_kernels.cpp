#include "fovea/backends/cpu/recurrent_kernels.h"

#include <algorithm>

#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/recurrent_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/bf16_pair-inl.h"
#include "fovea/backends/cpu/gates-inl.h"
#include "fovea/backends/cpu/recurrent_cells-inl.h"
#include "fovea/backends/cpu/recurrent_products-inl.h"
#include "fovea/backends/cpu/tiles-inl.h"
#include "fovea/backends/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

template <RecurrentKind kind>
struct Panel {
  static constexpr int gates = fovea::gates(kind);
  // Hidden vectors side by side in a panel: one gate alone would leave most registers idle.
  static constexpr int units = gates == 1 ? 2 : 1;
  static constexpr int vectors = gates * units;
  static constexpr int rows = many_registers ? (vectors == 4 ? 6 : 8) : (vectors == 4 ? 2 : 4);
};
constexpr int back_vectors = 2;
constexpr int back_rows = many_registers ? 8 : 4;

template <class D>
int64_t padded(D d, int64_t hidden, int64_t vectors = 1) {
  return round_up(hidden, static_cast<int64_t>(hn::Lanes(d)) * vectors);
}

template <RecurrentKind kind, class T, class Word>
void forward(const RecurrentForward<T, Word>& pass, const RecurrentRows& rows) {
  using S = Panel<kind>;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t hidden = pass.hidden, width = padded(d, hidden, S::units), time = pass.time;
  constexpr bool lstm = kind == RecurrentKind::lstm;
  const Scratch<T> state(rows.count * width * (lstm ? 3 : 2));
  T *now = state.data(), *next = now + rows.count * width, *cells = next + rows.count * width;
  std::fill_n(now, rows.count * width * (lstm ? 3 : 2), T(0));
  for (int64_t row = 0; row < rows.count; ++row) {
    const int64_t b = rows.batch[row];
    if (pass.h0) std::copy_n(pass.h0 + b * hidden, hidden, now + row * width);
    if (lstm && pass.c0) std::copy_n(pass.c0 + b * hidden, hidden, cells + row * width);
    for (int64_t t = rows.length[row]; t < time; ++t) {
      std::fill_n(pass.output + b * pass.output_batch + t * pass.output_time, hidden, T(0));
      if (pass.h_before) std::fill_n(pass.h_before + (b * time + t) * hidden, hidden, T(0));
    }
  }
  const Scratch<CellRow<T>> places(rows.count);
  const int64_t stride = S::vectors * lanes, panel_units = S::units * lanes;
  const int64_t panels = divide_up(hidden, panel_units), share = divide_up(pass.units_at_once, panel_units);
  const Scratch<T> sums(divide_up(panels, share) * rows.count * stride);
  const int64_t words = packed_words<T, Word>(stride, hidden);  // of a panel
  StepRows<T, Word> states(rows.count, hidden);
  int64_t running = rows.count;
  for (int64_t step = 0;; ++step) {
    int64_t after = running;
    while (after > 0 && rows.length[after - 1] <= step) --after;
    for (int64_t row = after; row < running; ++row) {  // these are at their end
      std::copy_n(now + row * width, hidden, pass.h_last + rows.batch[row] * hidden);
      if (lstm) std::copy_n(cells + row * width, hidden, pass.c_last + rows.batch[row] * hidden);
    }
    running = after;
    if (running == 0) break;
    place_rows(pass, rows, {now, next, cells, width}, step, running, places.data());
    states.take(now, width, running);
    parallel_for(panels, share, [&](int64_t begin, int64_t end) HWY_ATTR {
      T* const products = sums.data() + begin / share * rows.count * stride;
      const Word* panel = pass.weight + begin * words;
      [[maybe_unused]] const PanelUse<Word> use;
      const T* bias = pass.bias + begin * stride;
      for (int64_t p = begin; p < end; ++p) {
        states.template multiply<S::rows, S::vectors>(d, panel, bias, 0, products, stride);
        for (int64_t u = 0; u < S::units; ++u) {
          const int64_t j = p * panel_units + u * lanes;
          T* of_unit = products + u * S::gates * lanes;
          if (HWY_LIKELY(hidden - j >= lanes)) {
            cell_forward<kind>(d, of_unit, stride, Columns<true, T>{hidden, j}, places.data(), running);
          } else if (j < hidden) {
            cell_forward<kind>(d, of_unit, stride, Columns<false, T>{hidden, j}, places.data(), running);
          }
        }
        panel += words;
        bias += stride;
      }
    });
    std::swap(now, next);
  }
}

template <RecurrentKind kind, class T, class Word>
void backward(const RecurrentBackward<T, Word>& pass, const RecurrentRows& rows, T* dbias) {
  constexpr int gates = fovea::gates(kind);
  constexpr bool lstm = kind == RecurrentKind::lstm, gru = kind == RecurrentKind::gru;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t hidden = pass.hidden, width = padded(d, hidden, back_vectors), time = pass.time;
  const int64_t depth = gates * hidden, bias_width = padded(d, hidden);
  const Scratch<T> state(rows.count * width * (lstm ? 2 : 1)), gradients(rows.count * depth);
  T *dh = state.data(), *dc = dh + rows.count * width;
  std::fill_n(dh, rows.count * width * (lstm ? 2 : 1), T(0));
  for (int64_t row = 0; row < rows.count; ++row) {
    const int64_t b = rows.batch[row];
    if (pass.dh_last) std::copy_n(pass.dh_last + b * hidden, hidden, dh + row * width);
    if (lstm && pass.dc_last) std::copy_n(pass.dc_last + b * hidden, hidden, dc + row * width);
    for (int64_t t = rows.length[row]; t < time; ++t) {
      std::fill_n(pass.dprojected + (b * time + t) * depth, depth, T(0));
      if (gru) std::fill_n(pass.dnew + (b * time + t) * hidden, hidden, T(0));
    }
  }
  const int64_t vectors = divide_up(hidden, lanes), panels = divide_up(vectors, back_vectors);
  const int64_t share = divide_up(pass.units_at_once, lanes), columns = back_vectors * lanes;
  const int64_t words = packed_words<T, Word>(columns, depth);  // of a panel
  StepRows<T, Word> read(rows.count, depth);
  int64_t running = 0;
  for (int64_t step = rows.count ? rows.length[0] - 1 : -1; step >= 0; --step) {
    while (running < rows.count && rows.length[running] > step) ++running;
    parallel_for(vectors, share, [&](int64_t begin, int64_t end) HWY_ATTR {
      for (int64_t row = 0; row < running; ++row) {
        const int64_t b = rows.batch[row], t = pass.reverse ? rows.length[row] - 1 - step : step, place = b * time + t;
        const T* c_before = nullptr;
        if (lstm) {
          const int64_t earlier = place + (pass.reverse ? 1 : -1);
          if (step > 0) {
            c_before = pass.kept + (earlier * kept_width(kind) + 4) * hidden;
          } else if (pass.c0) {
            c_before = pass.c0 + b * hidden;
          }
        }
        for (int64_t j = begin * lanes; j < std::min(hidden, end * lanes); j += lanes) {
          const CellGradient<T> in{pass.kept + place * kept_width(kind) * hidden, pass.h_before + place * hidden,
                                   c_before, pass.doutput + b * pass.doutput_batch + t * pass.doutput_time};
          const CellGradientOutput<T> out{dh + row * width + j,
                                          dc + row * width + j,
                                          pass.dprojected + place * depth,
                                          gru ? pass.dnew + place * hidden : nullptr,
                                          gradients.data() + row * depth,
                                          dbias + j,
                                          bias_width};
          if (HWY_LIKELY(hidden - j >= lanes)) {
            cell_backward<kind>(d, Columns<true, T>{hidden, j}, in, out);
          } else {
            cell_backward<kind>(d, Columns<false, T>{hidden, j}, in, out);
          }
        }
      }
    });
    read.take(gradients.data(), depth, running);
    parallel_for(panels, divide_up(share, back_vectors), [&](int64_t begin, int64_t end) HWY_ATTR {
      [[maybe_unused]] const PanelUse<Word> use;
      for (int64_t p = begin; p < end; ++p) {
        T* to = dh + p * columns;
        read.template multiply<back_rows, back_vectors>(d, pass.weight + p * words, to, width, to, width);
      }
    });
  }
  for (int64_t row = 0; row < rows.count; ++row) {
    const int64_t b = rows.batch[row];
    if (pass.dh0) std::copy_n(dh + row * width, hidden, pass.dh0 + b * hidden);
    if (lstm && pass.dc0) std::copy_n(dc + row * width, hidden, pass.dc0 + b * hidden);
  }
}

template <class T, class F>
void visit_kind(RecurrentKind kind, F f) {
  switch (kind) {
    case RecurrentKind::rnn_tanh:
      return f(std::integral_constant<RecurrentKind, RecurrentKind::rnn_tanh>{});
    case RecurrentKind::rnn_relu:
      return f(std::integral_constant<RecurrentKind, RecurrentKind::rnn_relu>{});
    case RecurrentKind::gru:
      return f(std::integral_constant<RecurrentKind, RecurrentKind::gru>{});
    case RecurrentKind::lstm:
      return f(std::integral_constant<RecurrentKind, RecurrentKind::lstm>{});
  }
}

template <class T, class Word>
void any_forward(const RecurrentForward<T, Word>& pass, const RecurrentRows& rows) {
  visit_kind<T>(pass.kind, [&]<RecurrentKind k>(std::integral_constant<RecurrentKind, k>) { forward<k>(pass, rows); });
}
template <class T, class Word>
void any_backward(const RecurrentBackward<T, Word>& pass, const RecurrentRows& rows, T* dbias) {
  visit_kind<T>(pass.kind,
                [&]<RecurrentKind k>(std::integral_constant<RecurrentKind, k>) { backward<k>(pass, rows, dbias); });
}

void forward_f32(const RecurrentForward<float>& pass, const RecurrentRows& rows) { any_forward(pass, rows); }
void forward_f64(const RecurrentForward<double>& pass, const RecurrentRows& rows) { any_forward(pass, rows); }
void backward_f32(const RecurrentBackward<float>& pass, const RecurrentRows& rows, float* dbias) {
  any_backward(pass, rows, dbias);
}
void backward_f64(const RecurrentBackward<double>& pass, const RecurrentRows& rows, double* dbias) {
  any_backward(pass, rows, dbias);
}
#if FOVEA_BF16_PAIRS
#define FOVEA_PASSES(name, Word)                                                                              \
  void forward_##name(const RecurrentForward<float, Word>& pass, const RecurrentRows& rows) {                 \
    any_forward(pass, rows);                                                                                  \
  }                                                                                                           \
  void backward_##name(const RecurrentBackward<float, Word>& pass, const RecurrentRows& rows, float* dbias) { \
    any_backward(pass, rows, dbias);                                                                          \
  }                                                                                                           \
  static_assert(true)
#else
#define FOVEA_PASSES(name, Word)                                                               \
  void forward_##name(const RecurrentForward<float, Word>&, const RecurrentRows&) {}           \
  void backward_##name(const RecurrentBackward<float, Word>&, const RecurrentRows&, float*) {} \
  static_assert(true)
#endif
FOVEA_PASSES(pairs, Bf16Pair);
FOVEA_PASSES(tiles, TileWord<1>);
FOVEA_PASSES(split, TileWord<3>);
#undef FOVEA_PASSES

template <class T>
void transpose_words(const T* from, int64_t from_stride, int64_t depth, T* to, int64_t to_stride) {
  const hn::ScalableTag<T> d;
  int64_t k = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; k + 4 <= depth; k += 4) TransposeFourColumns(d, from + k, from_stride, to + k * to_stride, to_stride);
#endif
  for (; k < depth; ++k) {
    for (size_t l = 0; l < hn::Lanes(d); ++l) to[k * to_stride + l] = from[l * from_stride + k];
  }
}

void transpose_lanes_f32(const float* from, int64_t from_stride, int64_t depth, float* to, int64_t to_stride) {
  transpose_words(from, from_stride, depth, to, to_stride);
}
void transpose_lanes_bf16(const Bf16Pair* from, int64_t from_stride, int64_t depth, Bf16Pair* to, int64_t to_stride) {
  transpose_words(from, from_stride, depth, to, to_stride);
}

RecurrentLayout layout_of(size_t element) {
  const size_t lanes = element == 8 ? hn::Lanes(hn::ScalableTag<double>()) : hn::Lanes(hn::ScalableTag<float>());
  return {static_cast<int64_t>(lanes), 2, back_vectors};
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(forward_f32);
FOVEA_VERSIONS(forward_f64);
FOVEA_VERSIONS(backward_f32);
FOVEA_VERSIONS(backward_f64);
FOVEA_VERSIONS(forward_pairs);
FOVEA_VERSIONS(backward_pairs);
FOVEA_VERSIONS(forward_tiles);
FOVEA_VERSIONS(backward_tiles);
FOVEA_VERSIONS(forward_split);
FOVEA_VERSIONS(backward_split);
FOVEA_VERSIONS(transpose_lanes_f32);
FOVEA_VERSIONS(transpose_lanes_bf16);
FOVEA_VERSIONS(layout_of);

template <class T, class Word>
void place_rows(const RecurrentForward<T, Word>& pass, const RecurrentRows& rows, const CellStates<T>& states,
                int64_t step, int64_t running, CellRow<T>* places) {
  for (int64_t row = 0; row < running; ++row) {
    const int64_t b = rows.batch[row], t = pass.reverse ? rows.length[row] - 1 - step : step, place = b * pass.time + t;
    const int64_t state = row * states.width;
    places[row] = {pass.projected + place * gates(pass.kind) * pass.hidden,
                   states.now + state,
                   states.next + state,
                   states.c + state,
                   pass.output + b * pass.output_batch + t * pass.output_time,
                   pass.h_before ? pass.h_before + place * pass.hidden : nullptr,
                   pass.kept ? pass.kept + place * kept_width(pass.kind) * pass.hidden : nullptr};
  }
}
#define FOVEA_PLACE_ROWS(T, ...)                                                                                \
  template void place_rows(const RecurrentForward<T, __VA_ARGS__>&, const RecurrentRows&, const CellStates<T>&, \
                           int64_t, int64_t, CellRow<T>*)
FOVEA_PLACE_ROWS(float, float);
FOVEA_PLACE_ROWS(double, double);
FOVEA_PLACE_ROWS(float, Bf16Pair);
FOVEA_PLACE_ROWS(float, TileWord<1>);
FOVEA_PLACE_ROWS(float, TileWord<3>);

void transpose_lanes(const float* from, int64_t from_stride, int64_t depth, float* to, int64_t to_stride) {
  FOVEA_DISPATCH(transpose_lanes_f32)(from, from_stride, depth, to, to_stride);
}
void transpose_lanes(const Bf16Pair* from, int64_t from_stride, int64_t depth, Bf16Pair* to, int64_t to_stride) {
  FOVEA_DISPATCH(transpose_lanes_bf16)(from, from_stride, depth, to, to_stride);
}
void transpose_lanes(const double* from, int64_t from_stride, int64_t depth, double* to, int64_t to_stride) {
  const int64_t lanes = recurrent_layout(sizeof(double)).lanes;
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t l = 0; l < lanes; ++l) to[k * to_stride + l] = from[l * from_stride + k];
  }
}

RecurrentLayout recurrent_layout(size_t element) { return FOVEA_DISPATCH(layout_of)(element); }
#define FOVEA_RUN(name, T, ...)                                                                           \
  void run_forward(const RecurrentForward<T, __VA_ARGS__>& pass, const RecurrentRows& rows) {             \
    FOVEA_DISPATCH(forward_##name)(pass, rows);                                                           \
  }                                                                                                       \
  void run_backward(const RecurrentBackward<T, __VA_ARGS__>& pass, const RecurrentRows& rows, T* dbias) { \
    FOVEA_DISPATCH(backward_##name)(pass, rows, dbias);                                                   \
  }                                                                                                       \
  static_assert(true)
FOVEA_RUN(f32, float, float);
FOVEA_RUN(f64, double, double);
FOVEA_RUN(pairs, float, Bf16Pair);
FOVEA_RUN(tiles, float, TileWord<1>);
FOVEA_RUN(split, float, TileWord<3>);

}  // namespace fovea::cpu
#endif
