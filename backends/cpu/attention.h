#pragma once

#include <algorithm>

#include "fovea/backends/backend.h"
#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// What the forward and the backward pass of attention share: the sizes of a call and the scores of a tile, which is a
/// block of one head's queries against a block of its keys.
template <class T>
class AttentionTiles {
 public:
  explicit AttentionTiles(const AttentionCall& call);

  static constexpr int64_t query_block = 64;
  static constexpr int64_t key_block = 512;

  struct Range {
    int64_t begin, end;
    bool empty() const { return begin >= end; }
  };
  /// The keys that query i, or any query of a block, may read by position alone.
  Range keys_of(int64_t query) const;
  Range keys_of(int64_t first_query, int64_t last_query) const;

  /// One head's matrix [time, width] of a [batch, heads, time, width] view.
  static Matrix<T> head(const View& view, int64_t batch, int64_t index) {
    return {view.data<T>() + batch * view.strides[0] + index * view.strides[1], view.strides[2], 1};
  }

  /// q * scale, dense [last - first, d].
  void scaled_queries(int64_t batch, int64_t head, int64_t first, int64_t last, T* to) const;
  /// scores [rows, width] of scaled queries from `first` on against the keys of `range`: products, bias, and -inf where
  /// a key may not be read.
  void scores(int64_t batch, int64_t head, int64_t first, int64_t rows, Range range, const T* queries, T* to) const;
  /// Zeroes what dropout drops of the weights (b, h, i, j) for the keys of `range`, and scales the others.
  void drop(int64_t batch, int64_t head, int64_t query, Range range, T* weights) const;

  /// How many items of `blocks` query blocks each make a chunk that is worth a thread.
  int64_t items_per_chunk(int64_t blocks) const {
    const int64_t work = std::min(queries, query_block) * keys * (d + dv) * blocks;
    return 1 + (int64_t{1} << 18) / std::max<int64_t>(work, 1);
  }

  /// gemm() as the call wants it.
  void multiply(int64_t m, int64_t n, int64_t depth, Matrix<T> a, Matrix<T> b, T* c, int64_t stride,
                bool accumulate) const {
    gemm_or_bf16(call.bf16_operands, m, n, depth, a, b, c, stride, accumulate);
  }

  /// What a right operand is: keys or values, by rows or by columns.
  enum class Role : uint8_t { keys, keys_turned, values, values_turned };
  /// multiply() with a right operand, from key `first` on, that other blocks of queries want too: a thread packs it once.
  void multiply_kept(Role role, int64_t first, int64_t m, int64_t n, int64_t depth, Matrix<T> a, Matrix<T> b, T* c,
                     int64_t stride, bool accumulate) const;

  int64_t key_head(int64_t head) const { return head / (heads / key_heads); }

  const AttentionCall& call;
  int64_t batch, heads, key_heads, queries, keys, d, dv;

 private:
  uint64_t name_;
};

}  // namespace fovea::cpu
