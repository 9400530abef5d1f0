#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/data/image.h"
#include "fovea/train/explanation.h"

namespace fovea::train {

/// How much attention each part of a picture gets, by a grid laid over all of it.
struct AttentionGrid {
  int64_t rows;
  int64_t columns;
  std::vector<double> weights;  // [rows, columns], shares of 1
};

/// The picture beside the same picture coloured by its attention; as text the grid in tenths of its greatest weight.
/// The JSON member is "attention", an array of rows.
Explanation explain_picture(const data::Image& picture, const AttentionGrid& grid);

/// The picture in grey with red where the attention is.
data::Image heat_picture(const data::Image& picture, const AttentionGrid& grid);

/// A picture as an HTML element that carries its own data.
std::string picture_html(const data::Image& picture, const std::string& description);

/// For a terminal: two pixels a character, one above the other, in 24-bit colours.
std::string picture_text(const data::Image& picture);

}  // namespace fovea::train
