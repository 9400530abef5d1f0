#pragma once

#include <cstdint>

#include "fovea/backends/cpu/bf16_pair.h"

namespace fovea::cpu {

/// Rows of a picture, or of several side by side, `pitch` elements apart, in planes of channels. Of a row the first `width` are
/// elements; those behind them belong to no position.
struct PictureRows {
  float* const* rows;  // where each begins, in channel 0
  int64_t channel;     // elements between the planes of two channels
  int64_t count, width, pitch;

  /// Where the last element stands, and one on, when rows are laid out `pitch` apart.
  int64_t positions() const { return (count - 1) * pitch + width; }
};

/// Behind a picture that is read by shifts: whole vectors are read.
inline constexpr int64_t shifted_slack = 64;

/// y[o][t] = bias[o] + sum over k < depth of weight[o][k] picture[t + shifts[k]] for every position t of `y`, whose m channels
/// are written. An element's terms are added in the order of k. Words are float, or Bf16Pair, whose product is a sum of two.
template <class Word>
struct ShiftedProduct {
  const Word* picture;
  const int64_t* shifts;
  int64_t depth, m;
  const Word* weight;  // [m, depth], rows `weight_row` apart
  int64_t weight_row;
  const float* bias;  // null: none
  PictureRows y;
};
void multiply_shifted(const ShiftedProduct<float>& product);
void multiply_shifted(const ShiftedProduct<Bf16Pair>& product);

/// What add_shifted_products() reads of y [channels, positions]: panels of as many channels as a tile has columns, by position,
/// or by pairs of a row's positions, the last with a zero. Channels fill whole vectors.
void pack_picture(const PictureRows& y, int64_t channels, float* panels);
void pack_picture(const PictureRows& y, int64_t channels, Bf16Pair* panels);

/// sums[k][o] = sum over the positions t of picture[t + shifts[k]] y[o][t] (+ sums with `adds`), of m k and `channels` o; rows
/// of sums are `sums_row` long, which is `channels` in whole vectors. Positions come in rows of `width`, which are `pitch`
/// apart in the picture. Elements are float, with panels of float, or BFloat16, with panels of Bf16Pair.
template <class Element, class Word>
struct ShiftedSums {
  const Element* picture;
  const int64_t* shifts;
  int64_t m;
  const Word* panels;
  int64_t channels, rows, width, pitch;
  float* sums;
  int64_t sums_row;
  bool adds;
};
void add_shifted_products(const ShiftedSums<float, float>& product);
void add_shifted_products(const ShiftedSums<BFloat16, Bf16Pair>& product);

}  // namespace fovea::cpu
