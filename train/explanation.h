#pragma once

#include <optional>
#include <span>
#include <string>

namespace fovea::train {

/// A part of an example and how much attention the model gives it: a share of 1; none for what stands between the parts
/// that the model sees (the space between two words).
struct Piece {
  std::string text;
  std::optional<double> weight = std::nullopt;
};

/// Parts that belong together, as the words of a sentence do, and how much attention the model gives them as a whole.
/// The weights of the parts are shares of the example: divided by that of the group they are shares within it.
struct PieceGroup {
  std::span<const Piece> pieces;
  double weight;
};

/// What a model looked at in an example, in the forms in which people and programs see it.
struct Explanation {
  std::string html;      // for report.html
  std::string text;      // for a pipe
  std::string coloured;  // for a terminal with 24-bit colours
  std::string json;      // an object, whose members `predict --json` adds to its own
  std::string png = {};  // of what is a picture: the file's bytes
};

Explanation explain_pieces(std::span<const Piece> pieces);
/// Groups by their weights, and the parts of each by their share within it.
Explanation explain_groups(std::span<const PieceGroup> groups);

/// Parts coloured by their weight relative to the greatest.
std::string pieces_html(std::span<const Piece> pieces);
/// Parts for a terminal: in colour (24 bits), else each with its weight in brackets where it has a notable one.
std::string pieces_text(std::span<const Piece> pieces, bool colour);

/// What follows in a text behind `begin`, where the model has read no more: some of it.
std::string unread_text(std::string_view text, size_t begin);

}  // namespace fovea::train
