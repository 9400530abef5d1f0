#pragma once

#include <cstdint>
#include <span>

#include "fovea/backends/buffer.h"
#include "fovea/backends/program.h"

// What each kernel of a backend is asked: its operands, and the formula that it computes.
namespace fovea {

/// Runs `program` for every position of `space`. Inputs are broadcast: aligned at the last axis, a size of 1 or an
/// absent axis repeats. Outputs have the space's rank; where an output's size is 1 and the space's is not, the values
/// along that axis are folded by its `combine` (of nothing: 0 for a sum, -inf or +inf for maximum and minimum). All
/// arithmetic is in `compute` (f32, f64 or i32); loads and stores convert, a store to bool tests for non-zero, f32 to
/// i32 truncates.
struct MapCall {
  const Program& program;
  DType compute;
  const Shape& space;
  std::span<const View* const> inputs;
  std::span<const View* const> outputs;
  std::span<const double> scalars;
};

/// out [batch..., m, n] = a [batch..., m, k] b [batch..., k, n] + bias [n]. Batch axes of a and b are
/// already expanded (stride 0) to those of out; any strides. All of one floating dtype.
/// With bf16_operands, which only backends take that has_bf16_operands(), a and b of f32 are rounded to bf16 first.
struct MatmulCall {
  const View& a;
  const View& b;
  const View& out;
  const View* bias = nullptr;
  bool bf16_operands = false;
};

/// Row kernels take contiguous views [..., n] of one floating dtype and work on the last axis.
struct SoftmaxCall {
  const View& x;
  const View& out;
  bool log = false;
};
/// From y = softmax(x) or log_softmax(x) and dy: dx.
struct SoftmaxBackwardCall {
  const View& y;
  const View& dy;
  const View& dx;
  bool log = false;
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias over the last axis; `mean` and `rstd` [...] are kept for backward.
/// With `rms`: y = x / sqrt(mean(x^2) + eps) * weight, no mean, no bias.
struct LayerNormCall {
  const View& x;
  const View* weight;  // [n] or null
  const View* bias;    // [n] or null
  const View& y;
  const View* mean;  // null with rms
  const View& rstd;
  double eps;
  bool rms = false;
};
struct LayerNormBackwardCall {
  const View& x;
  const View* weight;
  const View* mean;  // null with rms
  const View& rstd;
  const View& dy;
  const View* dx;       // null where not wanted
  const View* dweight;  // null where not wanted
  const View* dbias;    // null where not wanted
  bool rms = false;
};

/// Per row of logits [rows, classes] with class ids targets [rows]:
///   loss = (1 - s) * w[t] * (lse - x[t]) + s / classes * sum_c w[c] * (lse - x[c]), 0 where t == ignore_index,
/// with lse = log sum exp x.
struct CrossEntropyCall {
  const View& logits;
  const View& targets;       // i32
  const View* class_weight;  // [classes] or null
  const View& loss;          // [rows]
  double label_smoothing = 0;
  int64_t ignore_index = -100;
};
/// dlogits = dloss[row] * d loss / d logits.
struct CrossEntropyBackwardCall {
  const View& logits;
  const View& targets;
  const View* class_weight;
  const View& dloss;  // [rows]
  const View& dlogits;
  double label_smoothing = 0;
  int64_t ignore_index = -100;
};

/// out = source gathered along `axis` by i32 `index`. Two forms:
///   rows:     index has any shape I; out is source.shape with `axis` replaced by I's axes (embedding, index_select);
///             axis must be 0 and source, out contiguous.
///   otherwise index has out's shape: out[.., i, ..] = source[.., index[.., i, ..], ..] (any strides).
struct GatherCall {
  const View& source;
  const View& index;
  const View& out;
  int axis = 0;
  bool rows = false;
  const char* name = "gather";  // the operation that an index which does not exist is reported of; a literal
};
/// The adjoint: adds `source` into `out` at `index`, in order of position, so that the sum is the same in every run.
/// `rows`: positions whose index is `skip` add nothing (an embedding's padding), -1 skips none; others add `scale` times
/// what they would, which is 1 for whole numbers.
struct ScatterAddCall {
  const View& source;
  const View& index;
  const View& out;
  int axis = 0;
  bool rows = false;
  int64_t skip = -1;
  double scale = 1;
  const char* name = "scatter_add";  // as GatherCall's
};

/// out [bags, d] = sum (or mean) of the rows table[index[j]] of each bag: j from offsets[b] to offsets[b + 1] or the
/// end. An empty bag gives 0.
struct BagCall {
  const View& table;    // [n, d]
  const View& index;    // i32 [m]
  const View& offsets;  // i32 [bags]
  const View& out;
  bool mean = false;
  const char* name = "bag";  // as GatherCall's
};
/// The gradient of a bag sum by distinct row: `rows` [u] in rising order, `values` [u, d]. The backend allocates both. A
/// device that does not wait to learn u gives each index a row: the last ones are then absent_row again and again (see
/// row_sparse.h), their values 0.
struct BagBackwardCall {
  const View& index;
  const View& offsets;
  const View& dout;  // [bags, d]
  bool mean = false;
  int64_t skip = -1;  // a row that gets no gradient
};
/// A matrix that is zero but for some rows.
struct RowSparse {
  BufferRef rows;    // i32 [count], rising; the last ones may all be absent_row
  BufferRef values;  // [count, width], contiguous
  int64_t count = 0;
};

/// out[o, i, c] = the sum over k < count of weights[begin + k] x[o, first + k, c], with (first, count, begin) = places[i]:
/// contiguous x [outer, n, inner] and out [outer, m, inner] of f32 or f64, places i32 [m, 3], weights [w] of x's dtype.
struct BandCall {
  const View& x;
  const View& places;
  const View& weights;
  const View& out;
};

/// Running sum along the last axis of contiguous x; `reverse` runs from the end, `exclusive` leaves out the element
/// itself.
struct ScanCall {
  const View& x;
  const View& out;
  bool reverse = false;
  bool exclusive = false;
};

/// Position (i32) of the greatest or least of the last axis of contiguous x, the first of equals; a NaN is the greatest
/// and the least of all.
struct ArgReduceCall {
  const View& x;
  const View& out;
  bool minimum = false;
};

/// Sorts the last axis of contiguous x, stably: `values` and i32 `indices`; the first k of each row (k = values' last
/// size). NaN counts as the greatest.
struct SortCall {
  const View& x;
  const View& values;
  const View& indices;
  bool descending = false;
};

/// Fills contiguous `out` from Philox 4x32-10 with key `seed` and counter `offset + i / 4` for element i (word i % 4).
///   uniform: (word >> 8) * 2^-24 in [0, 1), f32's and every other float's;  bits: the word as i32.
///   normal:  Box-Muller on the words in pairs: u = ((w0 >> 8) + 1) * 2^-24, v = (w1 >> 8) * 2^-24;
///            even elements sqrt(-2 ln u) cos(2 pi v), odd ones with sin.
struct RandomCall {
  enum class Kind : uint8_t { uniform, normal, bits };
  const View& out;
  Kind kind;
  uint64_t seed;
  uint64_t offset;
};

enum class RecurrentKind : uint8_t { rnn_tanh, rnn_relu, gru, lstm };

/// 1, 1, 3 (reset, update, new) and 4 (input, forget, cell, output): PyTorch's order.
constexpr int gates(RecurrentKind kind) { return kind == RecurrentKind::gru ? 3 : kind == RecurrentKind::lstm ? 4 : 1; }

/// One direction of one recurrent layer over all time steps; a call takes the directions of a layer, which differ in all but
/// kind, sizes and dtype and may be computed at the same time. Gate pre-activations from the input stand ready in
/// `projected` [batch, time, gates * hidden] = x W_ih^T + b_ih; formulas are PyTorch's (nn.RNN, nn.GRU, nn.LSTM).
/// A sequence runs for its own length; past it `output` is 0 and the state stays. `output` may be a slice of a wider
/// tensor (its last axis is dense); everything else is contiguous. f32 and f64. With bf16_operands, as in MatmulCall, states
/// may be rounded where they are multiplied, so may their gradients.
struct RecurrentCall {
  RecurrentKind kind;
  const View& projected;
  const View& weight_hh;  // [gates * hidden, hidden]
  const View* bias_hh;    // [gates * hidden] or null
  const View* lengths;    // i32 [batch], each from 0 to time, or null
  const View* h0;         // [batch, hidden] or null for zeros
  const View* c0;         // lstm only
  bool reverse = false;
  const View& output;   // [batch, time, hidden]
  const View& h_last;   // [batch, hidden]
  const View* c_last;   // lstm only
  const View* reserve;  // [batch, time, reserve_width * hidden] for backward, or null where no gradient is wanted
  bool bf16_operands = false;
};
/// What `reserve` holds per position: gru: r, z, n, (W_hn h + b_hn), h_prev;  lstm: i, f, g, o, c, h_prev;  rnn: h,
/// h_prev. (A backend may lay it out as it likes; only the width is agreed.)
constexpr int reserve_width(RecurrentKind kind) {
  return kind == RecurrentKind::gru ? 5 : kind == RecurrentKind::lstm ? 6 : 2;
}
using RecurrentCalls = std::span<const RecurrentCall>;
struct RecurrentBackwardCall {
  const RecurrentCall& forward;  // output is still valid; projected may be gone
  const View& doutput;           // [batch, time, hidden], last axis dense
  const View* dh_last;           // or null for zeros
  const View* dc_last;
  const View& dprojected;  // [batch, time, gates * hidden]
  const View& dweight_hh;  // [gates * hidden, hidden]
  const View* dbias_hh;    // [gates * hidden] or null
  const View* dh0;         // or null where not wanted
  const View* dc0;
};
using RecurrentBackwardCalls = std::span<const RecurrentBackwardCall>;

/// How the kernel of a convolution or a pooling steps over an image: {height, width}.
struct WindowSteps {
  int64_t stride[2] = {1, 1};
  int64_t padding[2] = {0, 0};
  int64_t dilation[2] = {1, 1};

  /// How many positions a kernel of `kernel` elements has along `axis` of `size`; less than 1 where it does not fit.
  int64_t positions(int axis, int64_t size, int64_t kernel) const {
    const int64_t room = size + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride[axis] + 1;
  }
};

/// Convolution is one trilinear form of x [batch, in, h, w], weight [out, in / groups, kh, kw] and y [batch, out, oh,
/// ow], the sum over every i, j, p, q of y[b, o, i, j] weight[o, c, p, q] x[b, g c, i stride + p dilation - padding,
/// ...]: its derivative by y is the convolution itself, those by x and weight are the gradients of one. The member
/// named by `product` is written from the two others. All contiguous, of one floating dtype. bf16_operands as in MatmulCall.
struct ConvolutionCall {
  enum class Product : uint8_t { y, x, weight };
  Product product;
  const View& x;
  const View& weight;
  const View& y;
  const View* bias = nullptr;  // [out], added to y
  WindowSteps steps;
  int64_t groups = 1;
  bool bf16_operands = false;
};

/// Greatest (with its flat position in the plane, i32, the first of equals; a NaN is the greatest, of several the last)
/// or mean of every window of x [batch, channels, h, w] -> out [batch, channels, oh, ow]. Padding never wins the one and
/// counts as 0 in the other. Contiguous.
struct PoolCall {
  const View& x;
  const View& out;
  const View* index;  // the greatest where given, else the mean
  int64_t kernel[2];
  WindowSteps steps;
};
/// dx from dout: dout goes to the position in `index`, or in equal parts to the window.
struct PoolBackwardCall {
  const View& dout;
  const View* index;
  const View& dx;
  int64_t kernel[2];
  WindowSteps steps;
};

/// out = dropout(softmax(scale q k^T + bias)) v, over the keys that a query may read: those kept, and, of a query i at
/// position p = i + offset, with `causal` the keys j <= p, with `window` > 0 those with |p - j| < window. A query
/// without any gives 0. Head h reads key head h / (heads / key_heads). Dropout zeroes the weight (b, h, i, j) where
/// number ((b heads + h) queries + i) keys + j of the uniform stream of RandomCall(seed, counter) is below `dropout`,
/// and divides the others by 1 - dropout. q, k, v and out have a dense last axis and any other strides. f32 and f64.
/// bf16_operands as in MatmulCall, of every product in it.
struct AttentionCall {
  const View& q;     // [batch, heads, queries, d]
  const View& k;     // [batch, key_heads, keys, d]
  const View& v;     // [batch, key_heads, keys, dv]
  const View& out;   // [batch, heads, queries, dv]
  const View& lse;   // [batch, heads, queries], contiguous: log sum exp of each row's scores, for backward
  const View* bias;  // [batch, heads, queries, keys], any strides, or null
  const View* keep;  // bool [batch, keys], or null
  double scale;
  bool causal = false;
  int64_t offset = 0;
  int64_t window = 0;
  double dropout = 0;
  uint64_t seed = 0;
  uint64_t counter = 0;
  bool bf16_operands = false;
};
struct AttentionBackwardCall {
  const AttentionCall& forward;  // out is still valid
  const View& dout;              // last axis dense
  const View& dq;                // last axis dense, as of dk and dv
  const View& dk;
  const View& dv;
  const View* dbias;  // of bias' shape before it was expanded: axes of size 1 are summed over; contiguous; or null
};

}  // namespace fovea
