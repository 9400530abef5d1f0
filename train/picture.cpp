#include "fovea/train/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/data/image_file.h"
#include "fovea/train/base64.h"
#include "fovea/train/report.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t most_terminal_columns = 76;

double greatest_of(const AttentionGrid& grid) {
  return grid.weights.empty() ? 0 : *std::max_element(grid.weights.begin(), grid.weights.end());
}

/// From 0 to 255, relative to the greatest, as large as the picture.
std::vector<uint8_t> heat_of(const AttentionGrid& grid, int64_t height, int64_t width) {
  const double greatest = greatest_of(grid);
  data::Image heat{1, grid.rows, grid.columns, {}};
  for (const double weight : grid.weights) {
    const double share = greatest > 0 ? std::clamp(weight / greatest, 0.0, 1.0) : 0;
    heat.pixels.push_back(static_cast<uint8_t>(255 * share + 0.5));
  }
  return data::resize(heat, height, width).pixels;
}

std::string grid_text(const AttentionGrid& grid) {
  const double greatest = greatest_of(grid);
  std::string text;
  for (int64_t row = 0; row < grid.rows; ++row) {
    if (row > 0) text += '\n';
    for (int64_t column = 0; column < grid.columns; ++column) {
      const double weight = grid.weights[static_cast<size_t>(row * grid.columns + column)];
      const int tenths = greatest > 0 ? std::min(9, static_cast<int>(10 * weight / greatest)) : 0;
      text += tenths <= 0 ? '.' : static_cast<char>('0' + tenths);
    }
  }
  return text;
}

}  // namespace

data::Image heat_picture(const data::Image& picture, const AttentionGrid& grid) {
  const data::Image grey = data::with_channels(picture, 1);
  const std::vector<uint8_t> heat = heat_of(grid, picture.height, picture.width);
  const size_t plane = grey.pixels.size();
  data::Image out{3, picture.height, picture.width, std::vector<uint8_t>(3 * plane)};
  for (size_t i = 0; i < plane; ++i) {
    // Half as bright as the picture, so that the colour shows on black and on white.
    const double share = 0.75 * heat[i] / 255.0, base = 40 + 0.6 * grey.pixels[i];
    const double colours[] = {255, 90, 20};
    for (size_t c = 0; c < 3; ++c) {
      out.pixels[c * plane + i] = static_cast<uint8_t>((1 - share) * base + share * colours[c] + 0.5);
    }
  }
  return out;
}

std::string picture_html(const data::Image& picture, const std::string& description) {
  return fmt::format(R"(<img alt="{}" width="{}" height="{}" src="data:image/png;base64,{}"/>)",
                     escape_html(description), picture.width, picture.height, base64(data::encode_png(picture)));
}

std::string picture_text(const data::Image& picture) {
  data::Image shown = data::with_channels(picture, 3);
  if (shown.width > most_terminal_columns) {
    const int64_t height = std::max<int64_t>(1, shown.height * most_terminal_columns / shown.width);
    shown = data::resize(shown, height, most_terminal_columns);
  }
  const auto colour = [&](int64_t row, int64_t column) {
    const auto at = [&](int64_t channel) {
      return shown.pixels[static_cast<size_t>((channel * shown.height + row) * shown.width + column)];
    };
    return fmt::format("{};{};{}", at(0), at(1), at(2));
  };
  std::string text;
  for (int64_t row = 0; row < shown.height; row += 2) {
    if (row > 0) text += '\n';
    for (int64_t column = 0; column < shown.width; ++column) {
      const int64_t lower = std::min(row + 1, shown.height - 1);
      text += fmt::format("\x1b[38;2;{};48;2;{}m▀", colour(row, column), colour(lower, column));
    }
    text += "\x1b[0m";
  }
  return text;
}

Explanation explain_picture(const data::Image& picture, const AttentionGrid& grid) {
  const data::Image heat = heat_picture(picture, grid);
  Json rows = Json::array();
  for (int64_t row = 0; row < grid.rows; ++row) {
    const auto begin = grid.weights.begin() + row * grid.columns;
    rows.push_back(std::vector<double>(begin, begin + grid.columns));
  }
  return {.html = "<div class=\"pictures\">" + picture_html(picture, "the picture") +
                  picture_html(heat, "where the attention is") + "</div>",
          .text = grid_text(grid),
          .coloured = picture_text(heat),
          .json = Json{{"attention", std::move(rows)}}.dump(),
          .png = data::encode_png(heat)};
}

}  // namespace fovea::train
