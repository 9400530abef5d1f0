#include "fovea/train/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/train/report.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr double least_shown = 0.005;

/// For a line of its own.
std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

}  // namespace

Explanation explain_pieces(std::span<const Piece> pieces) {
  Json tokens = Json::array();
  for (const Piece& piece : pieces) {
    if (piece.weight) tokens.push_back({{"token", piece.text}, {"weight", *piece.weight}});
  }
  return {.html = pieces_html(pieces),
          .text = in_one_line(pieces_text(pieces, false)),
          .coloured = in_one_line(pieces_text(pieces, true)),
          .json = Json{{"tokens", std::move(tokens)}}.dump()};
}

std::string pieces_html(std::span<const Piece> pieces) {
  double greatest = 0;
  for (const Piece& piece : pieces) greatest = std::max(greatest, piece.weight.value_or(0));
  std::string out = "<div class=\"pieces\">";
  for (const Piece& piece : pieces) {
    if (!piece.weight) {
      out += escape_html(piece.text);
      continue;
    }
    const double share = greatest > 0 ? std::max(0.0, *piece.weight / greatest) : 0;
    out += fmt::format(R"(<mark style="--w:{:.3f}" title="{:.3f}">{}</mark>)", share, *piece.weight,
                       escape_html(piece.text));
  }
  return out + "</div>";
}

std::string pieces_text(std::span<const Piece> pieces, bool colour) {
  double greatest = 0;
  for (const Piece& piece : pieces) greatest = std::max(greatest, piece.weight.value_or(0));
  std::string out;
  for (const Piece& piece : pieces) {
    const double weight = piece.weight.value_or(0);
    if (weight < least_shown || greatest <= 0) {
      out += piece.text;
    } else if (colour) {
      // From white to orange with black on it: readable on dark and light terminals alike.
      const double share = weight / greatest;
      const auto mix = [&](int full) { return static_cast<int>(255 + (full - 255) * share); };
      out += fmt::format("\x1b[38;2;0;0;0;48;2;{};{};{}m{}\x1b[0m", mix(255), mix(140), mix(20), piece.text);
    } else {
      out += fmt::format("{}[{:.2f}]", piece.text, weight);
    }
  }
  return out;
}

}  // namespace fovea::train
