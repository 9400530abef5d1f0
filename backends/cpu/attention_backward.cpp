#include <limits>

#include "fovea/backends/cpu/attention.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/math.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

template <class T>
T* rows_of(const View& view, int64_t batch, int64_t head) {
  return view.data<T>() + batch * view.strides[0] + head * view.strides[1];
}

// Where a head's gradients by its keys and values are gathered, and whether something is there already.
template <class T>
struct KeyGradients {
  T *dk, *dv;
  int64_t dk_row, dv_row;
};

// dbias, of shape [batch or 1, heads or 1, queries or 1, keys or 1], contiguous.
template <class T>
struct BiasGradient {
  T* data = nullptr;
  Shape shape;

  bool wanted() const { return data; }
  T* row(int64_t b, int64_t h, int64_t i) const {
    const int64_t outer = (shape[0] > 1 ? b : 0) * shape[1] + (shape[1] > 1 ? h : 0);
    return data + (outer * shape[2] + (shape[2] > 1 ? i : 0)) * shape[3];
  }
};

// From the weights P = exp(S - lse), made again tile by tile (Dao et al. 2022):
//   dV += P^T dO,  dP = dO V^T,  dS = P (dP - sum(dO * O)),  dQ += scale dS K,  dK += dS^T (scale Q).
template <class T>
class BackwardBlock {
 public:
  using Range = typename AttentionTiles<T>::Range;
  using Role = typename AttentionTiles<T>::Role;

  BackwardBlock(const AttentionTiles<T>& tiles, const AttentionBackwardCall& call)
      : tiles_(tiles),
        call_(call),
        queries_(tiles.query_block * tiles.d),
        weights_(tiles.query_block * tiles.key_block),
        dweights_(tiles.query_block * tiles.key_block),
        dropped_(call.forward.dropout > 0 ? tiles.query_block * tiles.key_block : 0) {}

  void run(int64_t b, int64_t h, int64_t first, int64_t last, const KeyGradients<T>& sums,
           const BiasGradient<T>& dbias) {
    const AttentionCall& forward = call_.forward;
    const int64_t rows = last - first, d = tiles_.d, dv = tiles_.dv, kh = tiles_.key_head(h);
    const Matrix<T> k = tiles_.head(forward.k, b, kh), v = tiles_.head(forward.v, b, kh);
    const Matrix<T> dout = tiles_.head(call_.dout, b, h).at(first, 0);
    T* dq = rows_of<T>(call_.dq, b, h) + first * call_.dq.strides[2];
    const int64_t dq_row = call_.dq.strides[2];
    for (int64_t i = 0; i < rows; ++i) std::fill_n(dq + i * dq_row, d, T(0));
    tiles_.scaled_queries(b, h, first, last, queries_.data());
    const Range all = tiles_.keys_of(first, last);
    for (int64_t begin = all.begin; begin < all.end; begin += tiles_.key_block) {
      const Range range{begin, std::min(begin + tiles_.key_block, all.end)};
      const int64_t width = range.end - range.begin;
      tiles_.scores(b, h, first, rows, range, queries_.data(), weights_.data());
      tiles_.multiply_kept(Role::values_turned, begin, rows, width, dv, dout, v.at(begin, 0).transposed(),
                           dweights_.data(), width, false);
      const T* used = weights_.data();
      for (int64_t i = 0; i < rows; ++i) row(b, h, first, i, range);
      if (forward.dropout > 0) used = dropped_.data();
      tiles_.multiply(width, dv, rows, Matrix<T>{used, width, 1}.transposed(), dout, sums.dv + begin * sums.dv_row,
                      sums.dv_row, true);
      for (int64_t i = 0; i < rows && dbias.wanted(); ++i) {
        const T* from = dweights_.data() + i * width;
        T* to = dbias.row(b, h, first + i);
        if (dbias.shape[3] > 1) {
          for (int64_t j = 0; j < width; ++j) to[begin + j] += from[j];
        } else {
          *to += sum(from, width);
        }
      }
      const Matrix<T> dscores{dweights_.data(), width, 1};
      tiles_.multiply_kept(Role::keys, begin, rows, d, width, dscores, k.at(begin, 0), dq, dq_row, true);
      tiles_.multiply(width, d, rows, dscores.transposed(), {queries_.data(), d, 1}, sums.dk + begin * sums.dk_row,
                      sums.dk_row, true);
    }
    const T scale = static_cast<T>(forward.scale);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t c = 0; c < d; ++c) dq[i * dq_row + c] *= scale;
    }
  }

 private:
  // One row of a tile: scores to weights, gradients of weights to gradients of scores.
  void row(int64_t b, int64_t h, int64_t first, int64_t i, Range range) {
    const AttentionCall& forward = call_.forward;
    const int64_t width = range.end - range.begin, query = first + i;
    const T lse = forward.lse.data<T>()[(b * tiles_.heads + h) * tiles_.queries + query];
    T *weights = weights_.data() + i * width, *gradient = dweights_.data() + i * width;
    if (lse == -std::numeric_limits<T>::infinity()) {
      std::fill_n(weights, width, T(0));
    } else {
      exp_shifted(weights, lse, weights, width);
    }
    const T* dout = rows_of<T>(call_.dout, b, h) + query * call_.dout.strides[2];
    const T* out = rows_of<T>(forward.out, b, h) + query * forward.out.strides[2];
    const T mean = dot(dout, out, tiles_.dv);
    if (forward.dropout > 0) {
      T* dropped = dropped_.data() + i * width;
      std::copy_n(weights, width, dropped);
      tiles_.drop(b, h, query, range, dropped);
      tiles_.drop(b, h, query, range, gradient);
    }
    for (int64_t j = 0; j < width; ++j) gradient[j] = weights[j] * (gradient[j] - mean);
  }

  const AttentionTiles<T>& tiles_;
  const AttentionBackwardCall& call_;
  Scratch<T> queries_, weights_, dweights_, dropped_;
};

// How the work is cut, by shape alone. One task owns the gradients of some key heads, or several share them by
// segments of queries, each with sums of its own that are added in order at the end.
struct Cut {
  int64_t batches, heads;  // tasks by batch and by key head; 1 where a bias' gradient joins them
  int64_t segments, per;   // segments and query blocks of one
};

template <class T>
Cut cut(const AttentionTiles<T>& tiles, const View* dbias) {
  const int64_t blocks = std::max<int64_t>(divide_up(tiles.queries, tiles.query_block), 1);
  Cut c{tiles.batch, tiles.key_heads, 1, blocks};
  if (dbias && dbias->shape[0] == 1) c.batches = 1;
  if (dbias && dbias->shape[1] == 1) c.heads = 1;
  const int64_t wanted = std::clamp<int64_t>(8 / std::max<int64_t>(c.batches * c.heads, 1), 1, blocks);
  c.per = divide_up(blocks, wanted);
  c.segments = divide_up(blocks, c.per);
  return c;
}

template <class T>
void backward(const AttentionBackwardCall& call) {
  const AttentionTiles<T> tiles(call.forward);
  const Cut c = cut(tiles, call.dbias);
  const int64_t shared = tiles.heads / tiles.key_heads, pairs = tiles.batch * tiles.key_heads;
  // Partial sums are laid out as [segments][batch, key heads, keys, width].
  const bool apart = c.segments > 1;
  const int64_t k_size = pairs * tiles.keys * tiles.d, v_size = pairs * tiles.keys * tiles.dv;
  const Scratch<T> dk_parts(apart ? c.segments * k_size : 0), dv_parts(apart ? c.segments * v_size : 0);
  const int64_t bias_size = call.dbias ? call.dbias->numel() : 0;
  const bool bias_apart = call.dbias && apart && call.dbias->shape[2] == 1;
  const Scratch<T> bias_parts(bias_apart ? c.segments * bias_size : 0);
  if (call.dbias) std::fill_n(call.dbias->data<T>(), bias_size, T(0));
  if (bias_apart) std::fill_n(bias_parts.data(), c.segments * bias_size, T(0));

  const int64_t tiles_per_item = c.per * shared * (tiles.batch / c.batches) * (tiles.key_heads / c.heads);
  parallel_for(
      c.batches * c.heads * c.segments, tiles.items_per_chunk(3 * tiles_per_item), [&](int64_t begin, int64_t end) {
        BackwardBlock<T> block(tiles, call);
        for (int64_t item = begin; item < end; ++item) {
          const int64_t segment = item % c.segments, task = item / c.segments;
          BiasGradient<T> dbias;
          if (call.dbias) {
            dbias = {bias_apart ? bias_parts.data() + segment * bias_size : call.dbias->data<T>(), call.dbias->shape};
          }
          const int64_t b_begin = c.batches == 1 ? 0 : task / c.heads,
                        b_end = c.batches == 1 ? tiles.batch : b_begin + 1;
          const int64_t h_begin = c.heads == 1 ? 0 : task % c.heads,
                        h_end = c.heads == 1 ? tiles.key_heads : h_begin + 1;
          const int64_t first_block = segment * c.per;
          const int64_t first = first_block * tiles.query_block;
          const int64_t last = std::min((first_block + c.per) * tiles.query_block, tiles.queries);
          for (int64_t b = b_begin; b < b_end; ++b) {
            for (int64_t kh = h_begin; kh < h_end; ++kh) {
              KeyGradients<T> sums{rows_of<T>(call.dk, b, kh), rows_of<T>(call.dv, b, kh), call.dk.strides[2],
                                   call.dv.strides[2]};
              if (apart) {
                const int64_t pair = (b * tiles.key_heads + kh) * tiles.keys;
                sums = {dk_parts.data() + segment * k_size + pair * tiles.d,
                        dv_parts.data() + segment * v_size + pair * tiles.dv, tiles.d, tiles.dv};
              }
              for (int64_t j = 0; j < tiles.keys; ++j) {
                std::fill_n(sums.dk + j * sums.dk_row, tiles.d, T(0));
                std::fill_n(sums.dv + j * sums.dv_row, tiles.dv, T(0));
              }
              for (int64_t h = kh * shared; h < (kh + 1) * shared; ++h) {
                for (int64_t i = first; i < last; i += tiles.query_block) {
                  block.run(b, h, i, std::min(i + tiles.query_block, last), sums, dbias);
                }
              }
            }
          }
        }
      });

  if (apart) {
    parallel_for(pairs, 1, [&](int64_t begin, int64_t end) {
      for (int64_t pair = begin; pair < end; ++pair) {
        const int64_t b = pair / tiles.key_heads, kh = pair % tiles.key_heads;
        for (int64_t j = 0; j < tiles.keys; ++j) {
          const auto add = [&](const Scratch<T>& parts, int64_t size, int64_t width, const View& to) {
            T* sum = rows_of<T>(to, b, kh) + j * to.strides[2];
            const T* part = parts.data() + (pair * tiles.keys + j) * width;
            std::copy_n(part, width, sum);
            for (int64_t s = 1; s < c.segments; ++s) {
              for (int64_t i = 0; i < width; ++i) sum[i] += part[s * size + i];
            }
          };
          add(dk_parts, k_size, tiles.d, call.dk);
          add(dv_parts, v_size, tiles.dv, call.dv);
        }
      }
    });
  }
  for (int64_t s = 0; s < c.segments && bias_apart; ++s) {
    for (int64_t i = 0; i < bias_size; ++i) call.dbias->data<T>()[i] += bias_parts[s * bias_size + i];
  }
}

}  // namespace

void attention_backward(const AttentionBackwardCall& call) {
  if (call.forward.q.dtype == DType::f64) {
    backward<double>(call);
  } else if (call.forward.q.dtype == DType::f32) {
    backward<float>(call);
  } else {
    raise<DTypeError>({}, "attention_backward: runs in f32 or f64, not {}", call.forward.q.dtype);
  }
}

}  // namespace fovea::cpu
