#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/train/report.h"

namespace fovea::train {
namespace {

// One unit is one pixel on a phone that is 360 wide, so that the text stays readable there.
constexpr double width = 360, height = 220;
constexpr double left = 40, right = 10, top = 28, bottom = 26;

/// 1, 2 or 5 times a power of ten, so that about `parts` of them make up `span`.
double tick_step(double span, int parts) {
  const double rough = span / parts;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double lead = rough / power;
  return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

struct Range {
  double low, high;
};

Range value_range(const std::vector<Series>& series) {
  Range range{INFINITY, -INFINITY};
  for (const Series& line : series) {
    for (const double value : line.values) {
      if (!std::isfinite(value)) continue;
      range.low = std::min(range.low, value);
      range.high = std::max(range.high, value);
    }
  }
  if (range.low > range.high) return {0, 1};
  if (range.high - range.low < 1e-9) return {range.low - 0.5, range.high + 0.5};
  return range;
}

}  // namespace

std::string chart_svg(const std::string& title, const std::vector<Series>& series, int64_t mark) {
  size_t count = 1;
  for (const Series& line : series) count = std::max(count, line.values.size());
  const Range values = value_range(series);
  const double step = tick_step(values.high - values.low, 4);
  const double low = std::floor(values.low / step) * step, high = std::ceil(values.high / step) * step;
  const auto x_of = [&](double x) {
    return count == 1 ? (left + width - right) / 2
                      : left + (x - 1) / static_cast<double>(count - 1) * (width - left - right);
  };
  const auto y_of = [&](double y) { return height - bottom - (y - low) / (high - low) * (height - top - bottom); };

  std::string out = fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">)", width, height,
                                escape_html(title));
  out += fmt::format(R"(<text class="title" x="{}" y="15">{}</text>)", left, escape_html(title));
  for (int i = 0; low + i * step <= high + step / 2; ++i) {
    const double y = low + i * step;
    out += fmt::format(R"(<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>)", left, width - right,
                       y_of(y));
    out += fmt::format(R"(<text class="tick end" x="{}" y="{:.1f}">{:g}</text>)", left - 5, y_of(y) + 4,
                       std::abs(y) < step / 2 ? 0.0 : y);
  }
  const auto every = static_cast<size_t>(std::max(1.0, std::ceil(tick_step(static_cast<double>(count), 6))));
  for (size_t x = 1; x <= count; ++x) {
    if (count <= 8 || x % every == 0) {
      out += fmt::format(R"(<text class="tick mid" x="{:.1f}" y="{}">{}</text>)", x_of(static_cast<double>(x)),
                         height - bottom + 15, x);
    }
  }
  if (mark > 0) {
    out += fmt::format(
        R"(<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"><title>best epoch: {3}</title></line>)",
        x_of(static_cast<double>(mark)), top, height - bottom, mark);
  }
  double legend = width - right;
  for (size_t i = series.size(); i-- > 0;) {
    const Series& line = series[i];
    std::string path;
    bool drawing = false;
    std::string points;
    for (size_t k = 0; k < line.values.size(); ++k) {
      const double value = line.values[k];
      if (!std::isfinite(value)) {
        drawing = false;
        continue;
      }
      const double x = x_of(static_cast<double>(k + 1)), y = y_of(value);
      path += fmt::format("{}{:.1f} {:.1f}", drawing ? "L" : "M", x, y);
      drawing = true;
      points += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{}"><title>{} {}: {:.4f}</title></circle>)", x, y,
                            count > 40 ? 1.5 : 2.5, escape_html(line.name), k + 1, value);
    }
    out += fmt::format(R"(<g class="s{}"><path d="{}"/>{}<text class="tick end" x="{:.0f}" y="15">{}</text></g>)", i,
                       path, points, legend, escape_html(line.name));
    legend -= 14 + 6.5 * static_cast<double>(line.name.size());
  }
  return out + "</svg>\n";
}

std::string unit_chart_svg(const std::string& title, const std::string& x_name, const std::string& y_name,
                           const std::vector<UnitLine>& lines, bool diagonal) {
  constexpr double side = 320, origin_x = 40, origin_y = 48;  // the plot's size and its upper left corner
  const auto x_of = [](double x) { return origin_x + x * side; };
  const auto y_of = [](double y) { return origin_y + (1 - y) * side; };
  std::string out =
      fmt::format(R"(<svg class="chart" viewBox="0 0 370 412" role="img" aria-label="{}">)", escape_html(title));
  out += fmt::format(R"(<text class="title" x="{}" y="15">{}</text>)", origin_x, escape_html(title));
  out += fmt::format(R"(<text class="tick" x="{}" y="{}">{}</text>)", origin_x, origin_y - 6, escape_html(y_name));
  for (int i = 0; i <= 4; ++i) {
    const double at = i / 4.0;
    out += fmt::format(R"(<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>)", x_of(0), x_of(1), y_of(at));
    out += fmt::format(R"(<text class="tick end" x="{}" y="{}">{:g}</text>)", x_of(0) - 5, y_of(at) + 4, at);
    out += fmt::format(R"(<text class="tick mid" x="{}" y="{}">{:g}</text>)", x_of(at), y_of(0) + 15, at);
  }
  out += fmt::format(R"(<text class="tick end" x="{}" y="{}">{}</text>)", x_of(1), y_of(0) + 30, escape_html(x_name));
  if (diagonal) {
    out += fmt::format(R"(<line class="mark" x1="{}" x2="{}" y1="{}" y2="{}"/>)", x_of(0), x_of(1), y_of(0), y_of(1));
  }
  double legend = x_of(1);
  for (size_t i = lines.size(); i-- > 0;) {
    std::string path, points;
    for (const auto& [x, y] : lines[i].points) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x_of(x), y_of(y));
      points += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{}"><title>{:.3f}, {:.3f}</title></circle>)", x_of(x),
                            y_of(y), lines[i].points.size() > 40 ? 0.8 : 2.5, x, y);
    }
    out += fmt::format(R"(<g class="s{}"><path d="{}"/>{}<text class="tick end" x="{:.0f}" y="15">{}</text></g>)", i,
                       path, points, legend, escape_html(lines[i].name));
    legend -= 14 + 6.5 * static_cast<double>(lines[i].name.size());
  }
  return out + "</svg>\n";
}

}  // namespace fovea::train
