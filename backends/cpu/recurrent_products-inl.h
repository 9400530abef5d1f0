// The product of a step of a recurrent layer, for inclusion per target (see Highway's foreach_target.h).
#if defined(FOVEA_CPU_RECURRENT_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_CPU_RECURRENT_PRODUCTS_INL_H_
#undef FOVEA_CPU_RECURRENT_PRODUCTS_INL_H_
#else
#define FOVEA_CPU_RECURRENT_PRODUCTS_INL_H_
#endif

#include <hwy/highway.h>

#include <type_traits>

#include "fovea/backends/cpu/bf16_pair-inl.h"
#include "fovea/backends/cpu/recurrent_kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/tile_strips.h"
#include "fovea/backends/cpu/tiles-inl.h"
#include "fovea/backends/round_up.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

// out, rows `stride` apart, = the addend, its rows `addend_stride` apart, + rows that lie `left_stride` apart times a panel of
// V vectors: R rows at a time, or all by matrix tiles.
template <int R, int V, class D, class Word, class T>
HWY_INLINE void multiply_panel(D d, int64_t rows, int64_t depth, const Word* left, int64_t left_stride,
                               const Word* panel, const T* addend, int64_t addend_stride, T* out, int64_t stride) {
  each_tile<R>(rows, [&]<int r>(std::integral_constant<int, r>, int64_t first) HWY_ATTR {
    multiply_tile<r, V>(d, StridedRows<r, Word>(left + first * left_stride, left_stride), PackedPanel<V, Word>(panel),
                        words_of<T, Word>(depth), addend + first * addend_stride, addend_stride, out + first * stride,
                        stride);
  });
}
template <int R, int V, class D, int parts>
void multiply_panel(D, int64_t rows, int64_t depth, const TileWord<parts>* left, int64_t, const TileWord<parts>* panel,
                    const float* addend, int64_t addend_stride, float* out, int64_t stride) {
  multiply_strips(rows, V * 16, depth, left, panel, {addend, addend_stride}, out, stride);
}

struct NoTileUse {};
// What a thread has while it multiplies panels of words.
template <class Word>
using PanelUse = std::conditional_t<is_tile_word<Word>, TileUse, NoTileUse>;

// The rows that a step multiplies, up to `most` of `depth` numbers each: these themselves, or a copy in words.
template <class T, class Word>
class StepRows {
 public:
  StepRows(int64_t most, int64_t depth)
      : depth_(depth),
        stride_(words_of<T, Word>(round_up(depth, int64_t{16}))),
        copy_(is_tile_word<Word>        ? packed_words<T, Word>(16, depth)
              : std::is_same_v<T, Word> ? 0
                                        : most * stride_) {}

  // The first `rows` of `from`, `stride` apart, for the products that follow.
  void take(const T* from, int64_t stride, int64_t rows) {
    rows_ = rows;
    if constexpr (std::is_same_v<T, Word>) {
      words_ = from;
      stride_ = stride;
    } else if constexpr (is_tile_word<Word>) {
      pack_strip(from, stride, 1, rows, depth_, false, copy_.data());
    } else {
      for (int64_t row = 0; row < rows; ++row) round_row(from + row * stride, depth_, copy_.data() + row * stride_);
    }
  }
  template <int R, int V, class D>
  HWY_INLINE void multiply(D d, const Word* panel, const T* addend, int64_t addend_stride, T* out,
                           int64_t stride) const {
    multiply_panel<R, V>(d, rows_, depth_, words_, stride_, panel, addend, addend_stride, out, stride);
  }

 private:
  int64_t depth_, stride_, rows_ = 0;
  Scratch<Word> copy_;
  const Word* words_ = copy_.data();
};

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
