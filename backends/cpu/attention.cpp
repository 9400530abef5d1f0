#include "fovea/backends/cpu/attention.h"

#include <cmath>
#include <limits>

#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/math.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

// Softmax over the keys as they come (Milakov and Gimelshein 2018): each row keeps the greatest score so far and the
// sum of exponentials relative to it; a greater one scales down what was gathered before.
template <class T>
class ForwardBlock {
 public:
  explicit ForwardBlock(const AttentionTiles<T>& tiles)
      : tiles_(tiles),
        queries_(tiles.query_block * tiles.d),
        weights_(tiles.query_block * tiles.key_block),
        greatest_(tiles.query_block),
        sum_(tiles.query_block) {}

  void run(int64_t b, int64_t h, int64_t first, int64_t last) {
    using Range = typename AttentionTiles<T>::Range;
    const AttentionCall& call = tiles_.call;
    const int64_t rows = last - first, dv = tiles_.dv;
    const Matrix<T> v = tiles_.head(call.v, b, tiles_.key_head(h));
    T* out = const_cast<T*>(tiles_.head(call.out, b, h).data) + first * call.out.strides[2];
    const int64_t stride = call.out.strides[2];
    std::fill_n(greatest_.data(), rows, -std::numeric_limits<T>::infinity());
    std::fill_n(sum_.data(), rows, T(0));
    for (int64_t i = 0; i < rows; ++i) std::fill_n(out + i * stride, dv, T(0));
    tiles_.scaled_queries(b, h, first, last, queries_.data());
    const Range all = tiles_.keys_of(first, last);
    for (int64_t begin = all.begin; begin < all.end; begin += tiles_.key_block) {
      const Range range{begin, std::min(begin + tiles_.key_block, all.end)};
      const int64_t width = range.end - range.begin;
      tiles_.scores(b, h, first, rows, range, queries_.data(), weights_.data());
      for (int64_t i = 0; i < rows; ++i) take(i, weights_.data() + i * width, width, out + i * stride);
      for (int64_t i = 0; i < rows && call.dropout > 0; ++i) {
        tiles_.drop(b, h, first + i, range, weights_.data() + i * width);
      }
      tiles_.multiply_kept(AttentionTiles<T>::Role::values, begin, rows, dv, width, {weights_.data(), width, 1},
                           v.at(begin, 0), out, stride, true);
    }
    T* lse = call.lse.data<T>() + (b * tiles_.heads + h) * tiles_.queries + first;
    for (int64_t i = 0; i < rows; ++i) {
      lse[i] = greatest_[i] + std::log(sum_[i]);  // -inf where no key was read
      const T share = sum_[i] == 0 ? T(0) : 1 / sum_[i];
      for (int64_t c = 0; c < dv; ++c) out[i * stride + c] *= share;
    }
  }

 private:
  // Turns a row of scores into exponentials and brings the row's state up to date.
  void take(int64_t i, T* row, int64_t width, T* out) {
    const T before = greatest_[i], greatest = maximum(row, width);
    const T now = greatest > before || std::isnan(greatest) ? greatest : before;  // NaN stays
    if (now == -std::numeric_limits<T>::infinity()) {
      std::fill_n(row, width, T(0));
      return;
    }
    const T sum = exp_shifted(row, now, row, width);
    if (now > before && sum_[i] > 0) {
      const T shrink = std::exp(before - now);
      sum_[i] *= shrink;
      for (int64_t c = 0; c < tiles_.dv; ++c) out[c] *= shrink;
    }
    greatest_[i] = now;
    sum_[i] += sum;
  }

  const AttentionTiles<T>& tiles_;
  Scratch<T> queries_, weights_, greatest_, sum_;
};

template <class T>
void forward(const AttentionCall& call) {
  const AttentionTiles<T> tiles(call);
  const int64_t blocks = divide_up(tiles.queries, tiles.query_block);
  parallel_for(tiles.batch * tiles.heads * blocks, tiles.items_per_chunk(1), [&](int64_t begin, int64_t end) {
    ForwardBlock<T> block(tiles);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % blocks * tiles.query_block,
                    last = std::min(first + tiles.query_block, tiles.queries);
      const int64_t h = item / blocks % tiles.heads, b = item / blocks / tiles.heads;
      block.run(b, h, first, last);
    }
  });
}

}  // namespace

void attention(const AttentionCall& call) {
  if (call.out.numel() == 0) return;
  if (call.q.dtype == DType::f64) {
    forward<double>(call);
  } else if (call.q.dtype == DType::f32) {
    forward<float>(call);
  } else {
    raise<DTypeError>({}, "attention: runs in f32 or f64, not {}", call.q.dtype);
  }
}

}  // namespace fovea::cpu
