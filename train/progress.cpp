#include "fovea/train/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

constexpr auto bar_interval = std::chrono::milliseconds(100);
constexpr auto line_interval = std::chrono::seconds(10);
constexpr int shortest_bar = 8, longest_bar = 40;

std::string bar(double share, int columns, bool utf8) {
  const int full = std::clamp(static_cast<int>(share * columns), 0, columns);
  std::string out;
  for (int i = 0; i < columns; ++i) {
    out += utf8 ? (i < full ? "━" : "─") : (i < full ? "#" : "-");
  }
  return out;
}

}  // namespace

std::string progress_line(const ProgressState& state, int width, bool utf8) {
  struct Part {
    std::string text;
    int rank;  // the highest goes first where room is short
  };
  const std::string accuracy = std::isnan(state.accuracy) ? "" : fmt::format("accuracy {:.1f} %", 100 * state.accuracy);
  std::array<Part, 6> parts{{{fmt::format("epoch {}/{}", state.epoch, state.epochs), 0},
                             {fmt::format("step {}/{}", state.step, state.steps), 3},
                             {fmt::format("loss {:.4f}", state.loss), 1},
                             {accuracy, 2},
                             {fmt::format("{}/s", short_count(state.examples_per_second)), 5},
                             {state.seconds_left < 0 ? "" : duration_text(state.seconds_left) + " left", 4}}};
  const auto used = [&] {
    int sum = 0;
    for (const Part& part : parts) sum += part.text.empty() ? 0 : static_cast<int>(part.text.size()) + 2;
    return sum;
  };
  for (int rank = 5; rank > 0 && used() + shortest_bar > width; --rank) {
    for (Part& part : parts) {
      if (part.rank == rank) part.text.clear();
    }
  }
  std::string out = parts[0].text;
  const double share = static_cast<double>(state.step) / static_cast<double>(std::max<int64_t>(state.steps, 1));
  const int room = std::min(longest_bar, width - used());
  if (room >= shortest_bar) out += "  " + bar(share, room, utf8);
  for (size_t i = 1; i < parts.size(); ++i) {
    if (!parts[i].text.empty()) out += "  " + parts[i].text;
  }
  if (static_cast<int>(parts[0].text.size()) > width) out.resize(static_cast<size_t>(std::max(width, 0)));
  return out;
}

Progress::Progress(Style style, std::FILE* out)
    : style_(style),
      out_(out),
      utf8_(locale_is_utf8()),
      next_(style == Style::lines ? Clock::now() + line_interval : Clock::time_point{}) {}

Progress::Style Progress::style_for(std::FILE* out, bool quiet) {
  return quiet ? Style::quiet : is_terminal(out) ? Style::bar : Style::lines;
}

void Progress::update(const ProgressState& state) {
  if (style_ == Style::quiet) return;
  const auto now = Clock::now();
  if (now < next_) return;
  if (style_ == Style::bar) {
    say(out_, fmt::format("\r{}\x1b[K", progress_line(state, terminal_width(out_) - 1, utf8_)));
    drawn_ = true;
    next_ = now + bar_interval;
  } else {
    const std::string accuracy = std::isnan(state.accuracy) ? "" : fmt::format("  accuracy {:.4f}", state.accuracy);
    say(out_, fmt::format("epoch {}/{}  step {}/{}  loss {:.4f}{}  {}/s{}\n", state.epoch, state.epochs, state.step,
                          state.steps, state.loss, accuracy, short_count(state.examples_per_second),
                          state.seconds_left < 0 ? "" : fmt::format("  {} left", duration_text(state.seconds_left))));
    next_ = now + line_interval;
  }
}

void Progress::line(std::string_view text) {
  if (style_ == Style::quiet) return;
  clear();
  say(out_, fmt::format("{}\n", text));
}

void Progress::clear() {
  if (!drawn_) return;
  say(out_, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace fovea::train
