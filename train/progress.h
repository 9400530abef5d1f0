#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace fovea::train {

/// Where a training run stands.
struct ProgressState {
  int64_t epoch = 1;  // from 1
  int64_t epochs = 1;
  int64_t step = 0;  // steps done in this epoch
  int64_t steps = 1;
  double loss = 0;      // means over the epoch so far
  double accuracy = 0;  // NaN where nothing is classified
  double examples_per_second = 0;
  double seconds_left = -1;  // to the end of the last epoch; negative where not known
};

/// One line of at most `width` columns: a bar and what fits beside it, the least important left out first.
std::string progress_line(const ProgressState& state, int width, bool utf8);

/// Shows a run to whoever looks: a bar that is drawn over on a terminal, plain lines else, nothing where quiet. Where
/// nobody looks any more the run goes on.
class Progress {
 public:
  enum class Style : uint8_t { bar, lines, quiet };

  explicit Progress(Style style, std::FILE* out = stdout);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  /// A bar on a terminal, lines else.
  static Style style_for(std::FILE* out, bool quiet);

  /// May be called at every step: draws ten times a second at most; a plain line only every ten seconds.
  void update(const ProgressState& state);
  /// Prints a line that stays.
  void line(std::string_view text);
  /// Takes the bar away.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  Style style_;
  std::FILE* out_;
  bool utf8_;
  bool drawn_ = false;
  Clock::time_point next_;
};

}  // namespace fovea::train
