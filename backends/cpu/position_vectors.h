#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "fovea/backends/cpu/matrix_tiles.h"
#include "fovea/backends/cpu/picture_layout.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/round_up.h"

#ifdef FOVEA_HAS_BF16
namespace fovea::cpu {

/// Which of 16 positions are elements that lie one behind the other, from `offset` on.
struct Piece {
  __mmask16 lanes;
  int64_t offset;
};

/// Elements of rows of `width` that are laid out `pitch` apart, by vectors of 16 positions.
class PositionVectors {
 public:
  PositionVectors(const Pictures& of, int64_t rows, int64_t pitch)
      : width_(of.width),
        pitch_(pitch),
        first_(count(rows) + 1),
        pieces_(count(rows) + rows * (divide_up(width_, matrix_tiles::side) + 1)) {
    const bool joined = of.distance() == of.width;
    int64_t made = 0;
    for (int64_t v = 0; v < count(rows); ++v) {
      first_[v] = made;
      for (int64_t row = v * matrix_tiles::side / pitch; row < rows; ++row) {
        const int64_t begin = std::max<int64_t>(row * pitch - v * matrix_tiles::side, 0),
                      end = row * pitch + width_ - v * matrix_tiles::side;
        if (begin >= matrix_tiles::side) break;
        if (end <= begin) continue;
        const auto lanes = static_cast<__mmask16>(matrix_tiles::first_lanes(end) & ~matrix_tiles::first_lanes(begin));
        if (joined && made > first_[v]) {
          pieces_[made - 1].lanes |= lanes;
        } else {
          pieces_[made++] = {lanes, row * of.distance() + begin + v * matrix_tiles::side - row * pitch};
        }
      }
    }
    first_[count(rows)] = made;
  }

  int64_t positions(int64_t rows) const { return (rows - 1) * pitch_ + width_; }
  int64_t count(int64_t rows) const { return divide_up(positions(rows), matrix_tiles::side); }

  /// Vector v of the first `rows` rows, zeros between rows and behind them.
  FOVEA_BF16 __m512 load(const float* from, int64_t v, int64_t rows) const {
    __m512 x = _mm512_setzero_ps();
    each(v, rows, [&](__mmask16 lanes, __mmask16 dense, int64_t offset) FOVEA_BF16 {
      x = _mm512_mask_expand_ps(x, lanes, _mm512_maskz_loadu_ps(dense, from + offset));
    });
    return x;
  }
  FOVEA_BF16 void store(__m512 x, float* to, int64_t v, int64_t rows) const {
    each(v, rows, [&](__mmask16 lanes, __mmask16 dense, int64_t offset) FOVEA_BF16 {
      _mm512_mask_storeu_ps(to + offset, dense, _mm512_maskz_compress_ps(lanes, x));
    });
  }

 private:
  template <class F>
  FOVEA_BF16 void each(int64_t v, int64_t rows, F f) const {
    const __mmask16 inside = matrix_tiles::first_lanes(positions(rows) - v * matrix_tiles::side);
    for (int64_t i = first_[v]; i < first_[v + 1]; ++i) {
      const auto lanes = static_cast<__mmask16>(pieces_[i].lanes & inside);
      if (lanes) f(lanes, matrix_tiles::first_lanes(std::popcount(lanes)), pieces_[i].offset);
    }
  }

  int64_t width_, pitch_;
  Scratch<int64_t> first_;  // piece of each vector
  Scratch<Piece> pieces_;
};

/// Blocks of rows of pictures.
struct RowBlocks {
  int64_t rows, blocks, all;  // of each; of a picture; of all pictures

  RowBlocks(const Pictures& of, int64_t rows_of_block)
      : rows(rows_of_block), blocks(divide_up(of.rows, rows)), all(of.count * blocks) {}
  int64_t image(int64_t i) const { return i / blocks; }
  int64_t first(int64_t i) const { return i % blocks * rows; }
  int64_t count(int64_t i, const Pictures& of) const { return std::min(rows, of.rows - first(i)); }
};

}  // namespace fovea::cpu
#endif
