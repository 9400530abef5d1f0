#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>
#include <string_view>

#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/gemm.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/recurrent_kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/spaced_rows.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

// How many rows a block has: 16 at the most, and as many blocks as a power of two, which threads share evenly.
int64_t rows_of_block(int64_t rows) {
  constexpr int64_t most = 16;
  const auto blocks = std::bit_ceil(static_cast<uint64_t>(divide_up(rows, most)));
  return std::max<int64_t>(divide_up(rows, static_cast<int64_t>(blocks)), 1);
}

// The sequences from the longest to the shortest, in blocks that do not depend on the number of threads. A row's result
// does not depend on its block.
class Batch {
 public:
  Batch(const View& projected, const View* lengths)
      : count_(projected.shape[0]), row_block_(rows_of_block(count_)), order_(count_), length_(count_) {
    const int64_t time = projected.shape[1];
    const int64_t step = lengths ? lengths->strides[0] : 0;
    const auto length = [&](int64_t b) { return lengths ? lengths->data<int32_t>()[b * step] : time; };
    for (int64_t b = 0; b < count_ && lengths; ++b) {
      if (length(b) < 0 || length(b) > time) {
        raise<IndexError>({}, "recurrent: length {} of sequence {} is outside [0, {}]", length(b), b, time);
      }
    }
    std::iota(order_.data(), order_.data() + count_, 0);
    if (lengths) {
      std::sort(order_.data(), order_.data() + count_,
                [&](int64_t a, int64_t b) { return length(a) != length(b) ? length(a) > length(b) : a < b; });
    }
    for (int64_t i = 0; i < count_; ++i) length_[i] = length(order_[i]);
  }
  int64_t blocks() const { return divide_up(count_, row_block_); }
  RecurrentRows block(int64_t i) const {
    const int64_t first = i * row_block_;
    return {order_.data() + first, length_.data() + first, std::min(row_block_, count_ - first)};
  }

 private:
  int64_t count_, row_block_;
  Scratch<int64_t> order_, length_;
};

// The panels of the forward product, [hidden / (units * lanes)][depth][units][gates][lanes], from weight [gates * hidden,
// depth].
template <class Word>
void pack_words(RecurrentKind kind, int64_t hidden, int64_t depth, int64_t lanes, int64_t units, const Word* weight,
                Word* packed) {
  const int64_t width = units * gates(kind) * lanes;
  for (int64_t column = 0; column < hidden; column += units * lanes, packed += width * depth) {
    Word* to = packed;
    for (int64_t first = column; first < column + units * lanes; first += lanes) {
      const int64_t here = std::clamp<int64_t>(hidden - first, 0, lanes);
      for (int64_t g = 0; g < gates(kind); ++g, to += lanes) {
        const Word* from = weight + (g * hidden + first) * depth;
        if (here == lanes) {
          transpose_lanes(from, depth, depth, to, width);
          continue;
        }
        for (int64_t k = 0; k < depth; ++k) {
          for (int64_t l = 0; l < lanes; ++l) to[k * width + l] = l < here ? from[l * depth + k] : Word(0);
        }
      }
    }
  }
}
template <class T>
void pack_forward(RecurrentKind kind, int64_t hidden, int64_t lanes, int64_t units, const T* weight, T* packed) {
  pack_words(kind, hidden, hidden, lanes, units, weight, packed);
}
void pack_forward(RecurrentKind kind, int64_t hidden, int64_t lanes, int64_t units, const float* weight,
                  Bf16Pair* packed) {
  const int64_t depth = words_of<float, Bf16Pair>(hidden);
  const Scratch<Bf16Pair> rows(gates(kind) * hidden * depth);
  if (hidden % 2 != 0) std::fill_n(rows.data(), gates(kind) * hidden * depth, 0);  // beside each row's last
  copy_spaced_rows({weight, hidden, gates(kind) * hidden, hidden, 1}, reinterpret_cast<BFloat16*>(rows.data()),
                   2 * depth);
  pack_words(kind, hidden, depth, lanes, units, static_cast<const Bf16Pair*>(rows.data()), packed);
}

// Strips in the order of [hidden / (units * 16)][units][gates].
template <int parts>
void pack_forward(RecurrentKind kind, int64_t hidden, int64_t lanes, int64_t units, const float* weight,
                  TileWord<parts>* packed) {
  const int64_t strip = TileWord<parts>::strip(hidden);
  for (int64_t first = 0; first < round_up(hidden, units * lanes); first += lanes) {
    for (int64_t g = 0; g < gates(kind); ++g, packed += strip) {
      const int64_t here = std::clamp<int64_t>(hidden - first, 0, lanes);
      pack_strip(weight + (g * hidden + (here ? first : 0)) * hidden, hidden, 1, here, hidden, true, packed);
    }
  }
}

// [hidden / (units * lanes)][units][gates][lanes]
template <class T>
void pack_bias(RecurrentKind kind, int64_t hidden, int64_t lanes, int64_t units, const T* bias, T* packed) {
  for (int64_t first = 0; first < round_up(hidden, units * lanes); first += lanes) {
    for (int64_t g = 0; g < gates(kind); ++g) {
      for (int64_t l = 0; l < lanes; ++l) *packed++ = bias && first + l < hidden ? bias[g * hidden + first + l] : T(0);
    }
  }
}

// The panels of the backward product: [hidden / (units * lanes)][gates * hidden][units * lanes].
template <class T>
void pack_backward(RecurrentKind kind, int64_t hidden, int64_t columns, const T* weight, T* packed) {
  for (int64_t first = 0; first < hidden; first += columns) {
    const int64_t here = std::min(columns, hidden - first);
    for (int64_t k = 0; k < gates(kind) * hidden; ++k, packed += columns) {
      std::copy_n(weight + k * hidden + first, here, packed);
      std::fill(packed + here, packed + columns, T(0));
    }
  }
}
// Each two rows of the weight in pairs.
void pack_backward(RecurrentKind kind, int64_t hidden, int64_t columns, const float* weight, Bf16Pair* packed) {
  const int64_t rows = gates(kind) * hidden;
  for (int64_t first = 0; first < hidden; first += columns) {
    const int64_t here = std::min(columns, hidden - first);
    for (int64_t k = 0; k < rows; k += 2, packed += columns) {
      const float* from = weight + k * hidden + first;
      copy_spaced_rows({from, 0, 1, here, 1}, k + 1 < rows ? from + hidden : nullptr, packed, 0);
      std::fill(packed + here, packed + columns, 0);
    }
  }
}

template <int parts>
void pack_backward(RecurrentKind kind, int64_t hidden, int64_t columns, const float* weight, TileWord<parts>* packed) {
  const int64_t depth = gates(kind) * hidden, lanes = 16;
  for (int64_t first = 0; first < round_up(hidden, columns); first += lanes, packed += TileWord<parts>::strip(depth)) {
    const int64_t here = std::clamp<int64_t>(hidden - first, 0, lanes);
    pack_strip(weight + (here ? first : 0), 1, hidden, here, depth, true, packed);
  }
}

template <class T>
T* data_or_null(const View* view) {
  return view ? view->data<T>() : nullptr;
}

// What a forward and a backward pass of one direction have in common.
class Direction {
 public:
  int64_t blocks() const { return rows_.blocks(); }
  int64_t hidden() const { return hidden_; }
  /// Multiply-adds of all blocks, and of a step of one.
  int64_t work() const { return batch_ * time_ * hidden_ * all_; }
  int64_t step_work() const { return rows_.block(0).count * hidden_ * all_; }

 protected:
  /// projected [batch, time, gates * hidden]: the input's part of the gates, or its gradient.
  Direction(const RecurrentCall& call, const View& projected, size_t element)
      : batch_(projected.shape[0]),
        time_(projected.shape[1]),
        hidden_(call.weight_hh.shape[1]),
        all_(gates(call.kind) * hidden_),
        layout_(recurrent_layout(element)),
        rows_(projected, call.lengths) {}

  int64_t batch_, time_, hidden_, all_;
  RecurrentLayout layout_;
  Batch rows_;
};

// A forward pass, its weights packed in words of T or Bf16Pair.
template <class T, class Word = T>
class ForwardPass : public Direction {
 public:
  explicit ForwardPass(const RecurrentCall& call)
      : Direction(call, call.projected, sizeof(T)),
        call_(call),
        units_(gates(call.kind) == 1 ? layout_.single_units : 1),
        width_(round_up(hidden_, units_ * layout_.lanes) * gates(call.kind)),
        weight_(packed_words<T, Word>(width_, hidden_)),
        bias_(width_) {}

  void pack() const {
    const T* weight = call_.weight_hh.data<T>();
    pack_forward(call_.kind, hidden_, layout_.lanes, units_, weight, weight_.data());
    pack_bias(call_.kind, hidden_, layout_.lanes, units_, data_or_null<T>(call_.bias_hh), bias_.data());
  }
  void run(int64_t block, int64_t units_at_once) const {
    T* reserve = data_or_null<T>(call_.reserve);
    const RecurrentForward<T, Word> pass{.kind = call_.kind,
                                         .time = time_,
                                         .hidden = hidden_,
                                         .units_at_once = units_at_once,
                                         .reverse = call_.reverse,
                                         .projected = call_.projected.data<T>(),
                                         .weight = weight_.data(),
                                         .bias = bias_.data(),
                                         .h0 = data_or_null<T>(call_.h0),
                                         .c0 = data_or_null<T>(call_.c0),
                                         .output = call_.output.data<T>(),
                                         .output_batch = call_.output.strides[0],
                                         .output_time = call_.output.strides[1],
                                         .h_last = call_.h_last.data<T>(),
                                         .c_last = data_or_null<T>(call_.c_last),
                                         .h_before = reserve,
                                         .kept = reserve ? reserve + batch_ * time_ * hidden_ : nullptr};
    run_forward(pass, rows_.block(block));
  }

 private:
  const RecurrentCall& call_;
  int64_t units_, width_;
  Scratch<Word> weight_;
  Scratch<T> bias_;
};

// The same of a backward pass.
template <class T, class Word = T>
class BackwardPass : public Direction {
 public:
  explicit BackwardPass(const RecurrentBackwardCall& call)
      : Direction(call.forward, call.dprojected, sizeof(T)),
        call_(call),
        kind_(call.forward.kind),
        columns_(layout_.back_units * layout_.lanes),
        bias_width_(round_up(hidden_, layout_.lanes)),
        weight_(packed_words<T, Word>(round_up(hidden_, columns_), all_)),
        dnew_(is_gru() ? batch_ * time_ * hidden_ : 0),
        dbias_(rows_.blocks() * gates(kind_) * bias_width_) {}

  void pack() const { pack_backward(kind_, hidden_, columns_, call_.forward.weight_hh.data<T>(), weight_.data()); }
  void run(int64_t block, int64_t units_at_once) const {
    const RecurrentCall& forward = call_.forward;
    const T* reserve = forward.reserve->data<T>();
    const RecurrentBackward<T, Word> pass{.kind = kind_,
                                          .time = time_,
                                          .hidden = hidden_,
                                          .units_at_once = units_at_once,
                                          .reverse = forward.reverse,
                                          .weight = weight_.data(),
                                          .h_before = reserve,
                                          .kept = reserve + batch_ * time_ * hidden_,
                                          .c0 = data_or_null<T>(forward.c0),
                                          .doutput = call_.doutput.data<T>(),
                                          .doutput_batch = call_.doutput.strides[0],
                                          .doutput_time = call_.doutput.strides[1],
                                          .dh_last = data_or_null<T>(call_.dh_last),
                                          .dc_last = data_or_null<T>(call_.dc_last),
                                          .dprojected = call_.dprojected.data<T>(),
                                          .dnew = dnew_.data(),
                                          .dh0 = data_or_null<T>(call_.dh0),
                                          .dc0 = data_or_null<T>(call_.dc0)};
    T* dbias = dbias_.data() + block * gates(kind_) * bias_width_;
    std::fill_n(dbias, gates(kind_) * bias_width_, T(0));
    run_backward(pass, rows_.block(block), dbias);
  }
  void finish() const {
    if (call_.dbias_hh) {
      T* dbias = call_.dbias_hh->data<T>();
      for (int64_t i = 0; i < all_; ++i) {
        T sum = 0;
        for (int64_t block = 0; block < blocks(); ++block)
          sum += dbias_[(block * gates(kind_) + i / hidden_) * bias_width_ + i % hidden_];
        dbias[i] = sum;
      }
    }
    // The weights' gradient over all positions at once. In a GRU the hidden part of the new gate has its own gradient.
    const int64_t plain = is_gru() ? 2 * hidden_ : all_;
    weight_gradient(call_.dprojected.buffer, call_.dprojected.offset, all_, 0, plain);
    if (is_gru()) weight_gradient(dnew_.buffer(), 0, hidden_, plain, hidden_);
  }

 private:
  bool is_gru() const { return kind_ == RecurrentKind::gru; }

  // `count` rows of the weight's gradient from `first` on, from as many gradients of each position, which lie `stride` apart.
  void weight_gradient(Buffer* gradients, int64_t offset, int64_t stride, int64_t first, int64_t count) const {
    const View &reserve = *call_.forward.reserve, &weight = call_.dweight_hh;
    const int64_t places = batch_ * time_;
    const View by_gate{gradients, offset, weight.dtype, {count, places}, {1, stride}};
    const View before{reserve.buffer, reserve.offset, weight.dtype, {places, hidden_}, {hidden_, 1}};
    const View out{weight.buffer, weight.offset + first * hidden_, weight.dtype, {count, hidden_}, {hidden_, 1}};
    matmul({.a = by_gate, .b = before, .out = out, .bf16_operands = call_.forward.bf16_operands});
  }

  const RecurrentBackwardCall& call_;
  RecurrentKind kind_;
  int64_t columns_, bias_width_;
  Scratch<Word> weight_;
  Scratch<T> dnew_, dbias_;
};

// Runs the passes of a layer's directions, whose blocks of rows are one pool of work. Where twice as many threads find work
// within a step, they divide its hidden units instead.
template <class Pass, class Calls>
void run_directions(const Calls& calls) {
  constexpr int64_t step_grain = 1 << 17;  // multiply-adds
  std::optional<Pass> passes[2];
  int64_t count = 0;
  for (const auto& call : calls) passes[count++].emplace(call);
  const Pass& first = *passes[0];
  const int64_t blocks = first.blocks(), all = count * blocks, threads = num_threads();
  const bool pays = first.work() >= product_grain;  // to call other threads
  const int64_t within = std::min(threads, first.work() > 0 ? first.step_work() / step_grain : 0);
  const bool divided = pays && within >= 2 * all;
  const int64_t units_at_once = std::max<int64_t>(divided ? divide_up(first.hidden(), within) : first.hidden(), 1);
  parallel_for(count, pays ? 1 : count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) passes[i]->pack();
  });
  parallel_for(all, pays && !divided ? 1 : std::max<int64_t>(all, 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) passes[i / blocks]->run(i % blocks, units_at_once);
  });
  if constexpr (requires { passes[0]->finish(); }) {
    for (int64_t i = 0; i < count; ++i) passes[i]->finish();
  }
}

// f(T(), Word()) by how a step's products are computed. A tile takes its time however few of its 16 rows are there: in f32,
// three parts of a number, it pays for full ones and where packing rows is little beside multiplying them, until weights of 6
// bytes instead of 4 no longer fit a second-level cache; in bf16 almost always.
template <class F>
void with_words(const RecurrentCall& call, const View& projected, std::string_view name, F f) {
  if (projected.dtype == DType::f64) return f(double(), double());
  if (projected.dtype != DType::f32) raise<DTypeError>({}, "{}: {} is neither f32 nor f64", name, projected.dtype);
  const bool tiles = bf16_unit() == Bf16Unit::tiles && vector_lanes() == 16;
  const int64_t rows = rows_of_block(projected.shape[0]), hidden = call.weight_hh.shape[1];
  if (call.bf16_operands && tiles && rows > 1 && rows * hidden >= 256) return f(float(), TileWord<1>());
  if (call.bf16_operands && multiplies_bf16_pairs()) return f(float(), Bf16Pair());
  if (!call.bf16_operands && tiles && rows >= 14 && hidden >= 64 && hidden < 512) return f(float(), TileWord<3>());
  f(float(), float());
}

}  // namespace

void recurrent(const RecurrentCalls& calls) {
  const RecurrentCall& call = calls.front();
  with_words(call, call.projected, "recurrent",
             [&]<class T, class Word>(T, Word) { run_directions<ForwardPass<T, Word>>(calls); });
}

void recurrent_backward(const RecurrentBackwardCalls& calls) {
  const RecurrentBackwardCall& call = calls.front();
  with_words(call.forward, call.dprojected, "recurrent_backward",
             [&]<class T, class Word>(T, Word) { run_directions<BackwardPass<T, Word>>(calls); });
}

}  // namespace fovea::cpu
