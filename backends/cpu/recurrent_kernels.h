#pragma once

#include <type_traits>

#include "fovea/backends/backend.h"
#include "fovea/backends/cpu/bf16_pair.h"
#include "fovea/backends/cpu/tile_strips.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {

/// How many words of a product's depth so many elements are.
template <class T, class Word>
constexpr int64_t words_of(int64_t elements) {
  return divide_up(elements, static_cast<int64_t>(std::is_same_v<T, Word> ? 1 : 2));
}
/// How many words a right operand with columns of whole vectors takes.
template <class T, class Word>
constexpr int64_t packed_words(int64_t columns, int64_t depth) {
  if constexpr (is_tile_word<Word>) {
    return columns / 16 * Word::strip(depth);
  } else {
    return columns * words_of<T, Word>(depth);
  }
}

/// The rows of a recurrent layer that are worked on together, ordered so that those still running are the first.
struct RecurrentRows {
  const int64_t* batch;   // which sequence stands in row i
  const int64_t* length;  // how many steps it runs, falling
  int64_t count;
};

/// One direction of a layer, ready for the step kernels. Matrices are packed for the vectors of this machine, in words of T,
/// for products of bf16 where multiplies_bf16_pairs() of Bf16Pair, or of TileWord for products by matrix tiles.
template <class T, class Word = T>
struct RecurrentForward {
  RecurrentKind kind;
  int64_t time, hidden;
  int64_t units_at_once;  // hidden units of a step that are one thread's at a time: all of them, or a share
  bool reverse;
  const T* projected;  // [batch, time, gates * hidden]
  const Word* weight;  // see RecurrentLayout
  const T* bias;       // in the order of a panel's row
  const T *h0, *c0;    // [batch, hidden] or null
  T* output;           // rows of `hidden` at batch * output_batch + time * output_time
  int64_t output_batch, output_time;
  T *h_last, *c_last;  // [batch, hidden]; c_last for lstm alone
  T *h_before, *kept;  // [batch, time, hidden] and [batch, time, kept_width * hidden], or null
};

template <class T, class Word = T>
struct RecurrentBackward {
  RecurrentKind kind;
  int64_t time, hidden;
  int64_t units_at_once;  // hidden units of a step that are one thread's at a time: all of them, or a share
  bool reverse;
  const Word* weight;  // see RecurrentLayout
  const T *h_before, *kept;
  const T* c0;       // lstm: or null
  const T* doutput;  // rows of `hidden` at batch * doutput_batch + time * doutput_time
  int64_t doutput_batch, doutput_time;
  const T *dh_last, *dc_last;  // or null
  T* dprojected;               // [batch, time, gates * hidden]
  T* dnew;                     // gru: [batch, time, hidden], the gradient of W_hn h + b_hn
  T *dh0, *dc0;                // or null
};

/// Where a row stands in a step of the forward pass; states are aligned and padded.
template <class T>
struct CellRow {
  const T* projected;  // the position's gates
  const T* h;
  T* next;
  T* c;  // lstm: read and replaced
  T* output;
  T *h_before, *kept;  // or null
};
/// The states of a block of rows, `width` apart.
template <class T>
struct CellStates {
  T *now, *next, *c;
  int64_t width;
};
/// Fills the first `running` of `places` for a step.
template <class T, class Word>
void place_rows(const RecurrentForward<T, Word>& pass, const RecurrentRows& rows, const CellStates<T>& states,
                int64_t step, int64_t running, CellRow<T>* places);

/// How weights are packed: vectors of `lanes` elements; a panel of the forward product holds, for each row of the
/// weights' transpose (each two of them, in pairs), `units` vectors of hidden units (of every gate; one gate alone takes
/// `single_units`), that of the backward product `back_units` vectors.
struct RecurrentLayout {
  int64_t lanes, single_units, back_units;
};
RecurrentLayout recurrent_layout(size_t element);

/// to [depth, lanes] = the transpose of from [lanes, depth], each with its stride of rows.
void transpose_lanes(const float* from, int64_t from_stride, int64_t depth, float* to, int64_t to_stride);
void transpose_lanes(const double* from, int64_t from_stride, int64_t depth, double* to, int64_t to_stride);
void transpose_lanes(const Bf16Pair* from, int64_t from_stride, int64_t depth, Bf16Pair* to, int64_t to_stride);

void run_forward(const RecurrentForward<float>& pass, const RecurrentRows& rows);
void run_forward(const RecurrentForward<double>& pass, const RecurrentRows& rows);
void run_forward(const RecurrentForward<float, Bf16Pair>& pass, const RecurrentRows& rows);
void run_forward(const RecurrentForward<float, TileWord<1>>& pass, const RecurrentRows& rows);
void run_forward(const RecurrentForward<float, TileWord<3>>& pass, const RecurrentRows& rows);
/// Adds the rows' share of the gradient of the hidden bias to dbias [gates, hidden rounded up to whole vectors].
void run_backward(const RecurrentBackward<float>& pass, const RecurrentRows& rows, float* dbias);
void run_backward(const RecurrentBackward<double>& pass, const RecurrentRows& rows, double* dbias);
void run_backward(const RecurrentBackward<float, Bf16Pair>& pass, const RecurrentRows& rows, float* dbias);
void run_backward(const RecurrentBackward<float, TileWord<1>>& pass, const RecurrentRows& rows, float* dbias);
void run_backward(const RecurrentBackward<float, TileWord<3>>& pass, const RecurrentRows& rows, float* dbias);

/// What `kept` holds per position beside h_before, in this order: gru r, z, W_hn h + b_hn, n; lstm i, f, g, o, c; rnn
/// h.
constexpr int kept_width(RecurrentKind kind) { return reserve_width(kind) - 1; }

}  // namespace fovea::cpu
