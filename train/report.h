#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea/train/deletion_curves.h"
#include "fovea/train/history.h"
#include "fovea/train/label_metrics.h"
#include "fovea/train/metrics.h"

namespace fovea::train {

/// An example and what the model made of it.
struct ReportExample {
  std::string truth;
  std::string predicted;
  /// Of the predicted class; NaN where there may be several.
  double probability = std::numeric_limits<double>::quiet_NaN();
  std::string body;  // what the example is, as HTML: see Explanation
};

/// What report.html shows; what is empty is left out.
struct Report {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts = {};  // a few words and their value, for the top
  std::vector<EpochRecord> history = {};
  std::vector<std::string> classes = {};
  std::optional<Evaluation> evaluation = std::nullopt;
  std::optional<LabelEvaluation> label_evaluation =
      std::nullopt;               // in its place where examples may have several labels
  std::string evaluated_on = {};  // which examples: "545 rows held out of train.csv"
  std::string decision = {};      // how probabilities become classes, where it is not the most probable one
  std::vector<std::vector<std::string>> folds = {};  // of a cross-validation: the table's cells, its head first
  std::vector<ReportExample> mistakes = {};
  std::vector<ReportExample> examples = {};
  std::string colour_note = {};  // what the colours of the examples say
  DeletionCurves deletion = {};
  std::vector<std::pair<std::string, std::string>> texts = {};  // headings and texts, shown as they are
};

/// One self-contained page: no scripts, nothing loaded; for phones and desks, light and dark.
std::string to_html(const Report& report);

/// A page of the same look around `body`, which is HTML.
std::string page_html(const std::string& title, const std::string& body);
/// A few words and their values, side by side.
std::string facts_html(const std::vector<std::pair<std::string, std::string>>& facts);

/// With &, <, >, " and ' escaped.
std::string escape_html(std::string_view text);

/// A line in the unit square.
struct UnitLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y
};
/// A square chart of values from 0 to 1 as inline SVG, with the diagonal where it means something; three lines at most.
std::string unit_chart_svg(const std::string& title, const std::string& x_name, const std::string& y_name,
                           const std::vector<UnitLine>& lines, bool diagonal);

/// One line of a chart; NaN leaves a gap.
struct Series {
  std::string name;
  std::vector<double> values;  // at x = 1, 2, ...
};
/// A line chart as inline SVG. `mark` draws an upright line at that x; 0 for none.
std::string chart_svg(const std::string& title, const std::vector<Series>& series, int64_t mark);

}  // namespace fovea::train
