#include <limits>

#include "fovea/backends/cpu/attention.h"
#include "fovea/backends/cpu/right_operand.h"
#include "fovea/backends/cpu/skinny.h"
#include "fovea/backends/cpu/split_product.h"
#include "fovea/backends/philox.h"

namespace fovea::cpu {

template <class T>
AttentionTiles<T>::AttentionTiles(const AttentionCall& attention)
    : call(attention),
      batch(call.q.shape[0]),
      heads(call.q.shape[1]),
      key_heads(call.k.shape[1]),
      queries(call.q.shape[2]),
      keys(call.k.shape[2]),
      d(call.q.shape[3]),
      dv(call.v.shape[3]),
      name_(name_operands()) {}

template <class T>
void AttentionTiles<T>::multiply_kept(Role role, int64_t first, int64_t m, int64_t n, int64_t depth, Matrix<T> a,
                                      Matrix<T> b, T* c, int64_t stride, bool accumulate) const {
  if (m <= skinny_rows) return multiply(m, n, depth, a, b, c, stride, accumulate);
  // As many blocks of keys as a second-level cache holds.
  constexpr int64_t roles = 4, blocks = 4;
  thread_local RightOperand<T> kept[roles][blocks];
  RightOperand<T>& right = kept[static_cast<size_t>(role)][first / key_block % blocks];
  right.take(name_, n, depth, b, call.bf16_operands,
             std::is_same_v<T, float> && splits_product(std::min(queries, query_block), n, depth));
  right.multiply(m, a, c, stride, accumulate);
}

template <class T>
auto AttentionTiles<T>::keys_of(int64_t query) const -> Range {
  const int64_t position = query + call.offset;
  Range range{0, keys};
  if (call.window > 0) {
    // A window may be so wide that neither of its ends is a number.
    range.begin = call.window <= position ? position - call.window + 1 : 0;
    if (call.window < keys - position) range.end = position + call.window;
  }
  if (call.causal) range.end = std::min(range.end, position + 1);
  return range;
}

template <class T>
auto AttentionTiles<T>::keys_of(int64_t first, int64_t last) const -> Range {
  const Range low = keys_of(first), high = keys_of(last - 1);  // both ends rise with the query
  return {low.begin, high.end};
}

template <class T>
void AttentionTiles<T>::scaled_queries(int64_t b, int64_t h, int64_t first, int64_t last, T* to) const {
  const Matrix<T> q = head(call.q, b, h);
  const T scale = static_cast<T>(call.scale);
  for (int64_t i = first; i < last; ++i, to += d) {
    const T* row = q.data + i * q.row;
    for (int64_t c = 0; c < d; ++c) to[c] = row[c] * scale;
  }
}

template <class T>
void AttentionTiles<T>::scores(int64_t b, int64_t h, int64_t first, int64_t rows, Range range, const T* q,
                               T* to) const {
  constexpr T never = -std::numeric_limits<T>::infinity();
  const int64_t width = range.end - range.begin;
  const Matrix<T> k = head(call.k, b, key_head(h)).at(range.begin, 0);
  multiply_kept(Role::keys_turned, range.begin, rows, width, d, {q, d, 1}, k.transposed(), to, width, false);
  const bool* keep = call.keep ? call.keep->data<bool>() + b * keys + range.begin : nullptr;
  for (int64_t i = 0; i < rows; ++i, to += width) {
    if (call.bias) {
      const Strides& s = call.bias->strides;
      const T* bias = call.bias->data<T>() + b * s[0] + h * s[1] + (first + i) * s[2] + range.begin * s[3];
      if (s[3] == 1) {
        for (int64_t j = 0; j < width; ++j) to[j] += bias[j];
      } else {
        for (int64_t j = 0; j < width; ++j) to[j] += bias[j * s[3]];
      }
    }
    for (int64_t j = 0; j < width && keep; ++j) to[j] = keep[j] ? to[j] : never;
    const Range own = keys_of(first + i);
    const int64_t begin = std::clamp<int64_t>(own.begin - range.begin, 0, width);
    const int64_t end = std::clamp(own.end - range.begin, begin, width);
    std::fill(to, to + begin, never);
    std::fill(to + end, to + width, never);
  }
}

template <class T>
void AttentionTiles<T>::drop(int64_t b, int64_t h, int64_t query, Range range, T* weights) const {
  const std::array<uint32_t, 2> key{static_cast<uint32_t>(call.seed), static_cast<uint32_t>(call.seed >> 32)};
  const auto row = static_cast<uint64_t>(((b * heads + h) * queries + query) * keys);
  const auto bound = static_cast<float>(call.dropout);
  const T grow = 1 / (1 - static_cast<T>(call.dropout));
  for (int64_t j = range.begin; j < range.end;) {
    const uint64_t number = row + static_cast<uint64_t>(j), block = call.counter + number / 4;
    const auto words = philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0}, key);
    for (uint64_t word = number % 4; word < 4 && j < range.end; ++word, ++j, ++weights) {
      const bool dropped = static_cast<float>(words[word] >> 8) * 0x1p-24f < bound;
      *weights = dropped ? T(0) : *weights * grow;
    }
  }
}

template class AttentionTiles<float>;
template class AttentionTiles<double>;

}  // namespace fovea::cpu
