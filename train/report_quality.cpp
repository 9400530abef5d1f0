#include "fovea/train/report_quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fovea::train {
namespace {

constexpr size_t most_curves = 3;          // so that they can be told apart
constexpr size_t most_curve_points = 200;  // of one curve

/// A point for each bin that has examples.
std::string calibration_svg(const ProbabilityMetrics& metrics) {
  UnitLine line{"accuracy", {}};
  for (const CalibrationBin& bin : metrics.calibration) {
    if (bin.examples > 0) line.points.emplace_back(bin.confidence, bin.accuracy);
  }
  return unit_chart_svg("Calibration", "how sure the model is", "how often it is right", {line}, true);
}

/// The curve of the second of two classes; of more those of the classes that it tells worst.
std::string roc_svg(const Report& report) {
  const auto& roc = report.evaluation->probabilities.roc;
  std::vector<std::pair<double, size_t>> worst;
  for (size_t i = 0; i < roc.size(); ++i) {
    if (!roc[i].empty()) worst.emplace_back(area_below(roc[i]), i);
  }
  if (worst.empty()) return {};
  std::stable_sort(worst.begin(), worst.end());
  worst.resize(std::min(worst.size(), most_curves));
  std::vector<UnitLine> lines;
  for (const auto& [area, i] : worst) {
    UnitLine& line = lines.emplace_back(UnitLine{report.classes[roc.size() == 1 ? 1 : i], {}});
    const size_t every = std::max<size_t>(1, roc[i].size() / most_curve_points);
    for (size_t k = 0; k < roc[i].size(); k += every)
      line.points.emplace_back(roc[i][k].false_rate, roc[i][k].true_rate);
    line.points.emplace_back(1, 1);
  }
  return unit_chart_svg("ROC", "false alarms", "hits", lines, true);
}

}  // namespace

std::string folds_html(const Report& report) {
  if (report.folds.empty()) return {};
  std::string out =
      "<h2>Cross-validation</h2>\n<p class=\"soft\">Each fold was tested with a model that had not seen it.</p>\n"
      "<div class=\"wide\"><table>\n";
  for (size_t i = 0; i < report.folds.size(); ++i) {
    const char* cell = i == 0 ? "th" : "td";
    out += "<tr>";
    for (const std::string& text : report.folds[i]) out += fmt::format("<{0}>{1}</{0}>", cell, escape_html(text));
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string class_table_html(const Report& report) {
  const std::vector<ClassMetrics> metrics =
      report.evaluation ? report.evaluation->confusion.per_class() : report.label_evaluation->counts.per_label();
  const bool two = metrics.size() == 2;
  const auto roc = report.evaluation ? report.evaluation->probabilities.roc : std::vector<std::vector<RocPoint>>();
  const bool areas = two ? roc.size() == 1 : roc.size() == metrics.size();
  const bool thresholds = report.label_evaluation && !report.label_evaluation->thresholds.is_common();
  std::string out = fmt::format(
      "<h2>By class</h2>\n<div class=\"wide\"><table>\n"
      "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th>{}{}<th>examples</th></tr>\n",
      areas ? "<th>ROC AUC</th>" : "", thresholds ? "<th>threshold</th>" : "");
  for (size_t i = 0; i < metrics.size(); ++i) {
    const ClassMetrics& each = metrics[i];
    std::string last;  // what classes and labels have each
    if (areas) {
      const auto& curve = roc[two ? 0 : i];
      last = curve.empty() ? "<td></td>" : fmt::format("<td>{:.3f}</td>", area_below(curve));
    }
    if (thresholds) last = fmt::format("<td>{:.3f}</td>", report.label_evaluation->thresholds[i]);
    out += fmt::format("<tr><td>{}</td><td>{:.3f}</td><td>{:.3f}</td><td>{:.3f}</td>{}<td>{}</td></tr>\n",
                       escape_html(report.classes[i]), each.precision, each.recall, each.f1, last, each.support);
  }
  return out + "</table></div>\n";
}

std::string quality_html(const Report& report) {
  std::string out = class_table_html(report);
  const ProbabilityMetrics& metrics = report.evaluation->probabilities;
  if (metrics.calibration.empty()) return out;
  out += fmt::format("<h2>Probabilities</h2>\n<p>Calibration error <b>{:.4f}</b>, Brier score <b>{:.4f}</b>",
                     metrics.calibration_error, metrics.brier);
  if (!std::isnan(metrics.roc_auc)) out += fmt::format(", ROC AUC <b>{:.4f}</b>", metrics.roc_auc);
  if (report.classes.size() > 3)
    out += fmt::format(", right among the first three <b>{:.4f}</b>", metrics.top3_accuracy);
  out +=
      ".</p>\n<p class=\"soft\">A well calibrated model is right as often as it says: its points lie on the diagonal.";
  out += metrics.roc.empty()                   ? " There are too many examples of too many classes for ROC curves."
         : report.classes.size() > most_curves ? " The ROC curves are of the classes that it tells worst."
                                               : "";
  out += "</p>\n";
  return out + "<div class=\"charts\">\n" + calibration_svg(metrics) + roc_svg(report) + "</div>\n";
}

std::string deletion_html(const DeletionCurves& curves) {
  if (curves.examples == 0) return {};
  UnitLine attended{"strongest first", {}}, random{"at random", {}};
  for (size_t i = 0; i < curves.removed.size(); ++i) {
    attended.points.emplace_back(curves.removed[i], curves.attended[i]);
    random.points.emplace_back(curves.removed[i], curves.random[i]);
  }
  return fmt::format(
             "<h2>How far to believe the colours</h2>\n<p>Deletion test <b>{:.3f}</b> on {} examples.</p>\n"
             "<p class=\"soft\">The right class's probability as parts of the example are taken away, the most "
             "strongly coloured first or at random. The number is the mean distance of the curves: the greater, the "
             "more the colours show what decides; 0 means that they are no better than chance.</p>\n"
             "<div class=\"charts\">\n",
             curves.score(), curves.examples) +
         unit_chart_svg("Right class", "share taken away", "probability", {attended, random}, false) + "</div>\n";
}

}  // namespace fovea::train
