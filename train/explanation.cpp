#include "fovea/train/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "fovea/data/utf8.h"
#include "fovea/train/report.h"
#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr double least_shown = 0.005;

Json tokens_json(std::span<const Piece> pieces) {
  Json tokens = Json::array();
  for (const Piece& piece : pieces) {
    if (piece.weight) tokens.push_back({{"token", piece.text}, {"weight", *piece.weight}});
  }
  return tokens;
}

double greatest_of(std::span<const Piece> pieces) {
  double greatest = 0;
  for (const Piece& piece : pieces) greatest = std::max(greatest, piece.weight.value_or(0));
  return greatest;
}

/// From white to orange with black on it: readable on dark and light terminals alike.
std::string in_colour(std::string_view text, double share) {
  const auto mix = [&](int full) { return static_cast<int>(255 + (full - 255) * share); };
  return fmt::format("\x1b[38;2;0;0;0;48;2;{};{};{}m{}\x1b[0m", mix(255), mix(140), mix(20), text);
}

std::string marks_html(std::span<const Piece> pieces) {
  const double greatest = greatest_of(pieces);
  std::string out;
  for (const Piece& piece : pieces) {
    if (!piece.weight) {
      out += escape_html(piece.text);
      continue;
    }
    const double share = greatest > 0 ? std::max(0.0, *piece.weight / greatest) : 0;
    out += fmt::format(R"(<mark style="--w:{:.3f}" title="{:.3f}">{}</mark>)", share, *piece.weight,
                       escape_html(piece.text));
  }
  return out;
}

/// The parts of a group with their share within it.
std::vector<Piece> within(const PieceGroup& group) {
  std::vector<Piece> pieces(group.pieces.begin(), group.pieces.end());
  for (Piece& piece : pieces) {
    if (piece.weight) piece.weight = group.weight > 0 ? *piece.weight / group.weight : 0;
  }
  return pieces;
}

}  // namespace

Explanation explain_pieces(std::span<const Piece> pieces) {
  return {.html = pieces_html(pieces),
          .text = pieces_text(pieces, false),
          .coloured = pieces_text(pieces, true),
          .json = Json{{"tokens", tokens_json(pieces)}}.dump()};
}

Explanation explain_groups(std::span<const PieceGroup> groups) {
  double greatest = 0;
  for (const PieceGroup& group : groups) greatest = std::max(greatest, group.weight);
  Explanation out;
  Json all = Json::array(), sentences = Json::array();
  for (const PieceGroup& group : groups) {
    const std::vector<Piece> pieces = within(group);
    const double share = greatest > 0 ? std::max(0.0, group.weight / greatest) : 0;
    out.html += fmt::format(R"(<div class="group" style="--w:{:.3f}" title="{:.3f}">{}</div>)", share, group.weight,
                            marks_html(pieces));
    const std::string_view gap = out.text.empty() ? "" : " ";
    out.text += fmt::format("{}{:.2f}: {}", gap, group.weight, pieces_text(pieces, false));
    out.coloured +=
        fmt::format("{}{} {}", gap, in_colour(fmt::format("{:.2f}", group.weight), share), pieces_text(pieces, true));
    sentences.push_back({{"weight", group.weight}, {"tokens", tokens_json(pieces)}});
    for (Json& token : tokens_json(group.pieces)) all.push_back(std::move(token));
  }
  return {.html = "<div class=\"pieces\">" + out.html + "</div>",
          .text = out.text,
          .coloured = out.coloured,
          .json = Json{{"tokens", std::move(all)}, {"sentences", std::move(sentences)}}.dump()};
}

std::string unread_text(std::string_view text, size_t begin) {
  constexpr size_t most = 400;
  const std::string_view rest = text.substr(begin), shown = data::utf8_prefix(rest, most);
  return std::string(shown) + (shown.size() < rest.size() ? "..." : "");
}

std::string pieces_html(std::span<const Piece> pieces) {
  return "<div class=\"pieces\">" + marks_html(pieces) + "</div>";
}

std::string pieces_text(std::span<const Piece> pieces, bool colour) {
  const double greatest = greatest_of(pieces);
  std::string out;
  for (const Piece& piece : pieces) {
    const double weight = piece.weight.value_or(0);
    const std::string text = in_one_line(piece.text);
    if (weight < least_shown || greatest <= 0) {
      out += text;
    } else if (colour) {
      out += in_colour(text, weight / greatest);
    } else {
      out += fmt::format("{}[{:.2f}]", text, weight);
    }
  }
  return out;
}

}  // namespace fovea::train
