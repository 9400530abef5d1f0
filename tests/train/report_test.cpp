#include "fovea/train/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <regex>

#include "fovea/train/explanation.h"

namespace fovea::train {
namespace {

using testing::HasSubstr;
using testing::Not;

Report example_report() {
  static const std::array<float, 6> probabilities{0.9f, 0.1f, 0.6f, 0.4f, 0.2f, 0.8f};
  static const std::array<int32_t, 3> truths{0, 1, 1};
  Evaluation evaluation{ConfusionMatrix(2), 0.31, ProbabilityMetrics::of({2, probabilities, truths})};
  evaluation.confusion.add(0, 0);
  evaluation.confusion.add(1, 0);
  evaluation.confusion.add(1, 1);
  const std::array<Piece, 3> pieces{{{"not", 0.8}, {" "}, {"<good>", 0.2}}};
  const ReportExample example{"a & b", "no", 0.93, explain_pieces(pieces).html};
  return {.title = "A <model>",
          .facts = {{"encoder", "gru"}},
          .history = {{.epoch = 1, .loss = 1, .accuracy = 0.5, .valid_loss = 0.9, .valid_accuracy = 0.6, .best = true},
                      {.epoch = 2, .loss = 0.5, .accuracy = 0.8, .valid_loss = 1.1, .valid_accuracy = 0.55}},
          .classes = {"a & b", "no"},
          .evaluation = evaluation,
          .evaluated_on = "3 rows",
          .decision = "Called \"no\" from a probability of 0.4 on.",
          .folds = {{"fold", "accuracy"}, {"mean", "0.75"}, {"1", "0.80"}},
          .mistakes = {example},
          .examples = {example},
          .colour_note = "Darker: more attention.",
          .deletion = {.examples = 3, .removed = {0, 0.5, 1}, .attended = {0.9, 0.3, 0.2}, .random = {0.9, 0.6, 0.2}}};
}

/// Every opened element is closed in order: what a browser need not mend.
void expect_well_formed(const std::string& html) {
  const std::regex tag(R"(<(/?)([a-z0-9]+)([^>]*)>)");
  std::vector<std::string> open;
  for (auto match = std::sregex_iterator(html.begin(), html.end(), tag); match != std::sregex_iterator(); ++match) {
    const std::string name = (*match)[2], rest = (*match)[3];
    if (name == "meta" || rest.ends_with("/")) continue;
    if ((*match)[1].length() == 0) {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty()) << name;
      EXPECT_EQ(open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST(Report, IsOneWellFormedPageThatLoadsNothing) {
  const std::string html = to_html(example_report());
  expect_well_formed(html);
  EXPECT_THAT(html, HasSubstr("<!doctype html>"));
  EXPECT_THAT(html, HasSubstr("name=\"viewport\""));
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme:dark"));
  for (const char* loader : {"http:", "https:", "<script", "<link", "src=", "url("}) {
    EXPECT_THAT(html, Not(HasSubstr(loader)));
  }
}

TEST(Report, ShowsWhatItWasGiven) {
  const std::string html = to_html(example_report());
  for (const char* part : {"A &lt;model&gt;", "Worst mistakes", "Confusion matrix", "By class", "a &amp; b", "93.0 %",
                           "accuracy <b>0.6667</b>", "&lt;good&gt;", "Darker: more attention.", "Calibration error",
                           "ROC AUC <b>1.0000</b>", "Deletion test <b>0.100</b> on 3 examples", "Cross-validation",
                           "<td>0.75</td>", "from a probability of 0.4 on"}) {
    EXPECT_THAT(html, HasSubstr(part));
  }
}

TEST(Report, ShowsWhatIsTrueOfSeveralLabels) {
  static const std::array<float, 6> probabilities{0.9f, 0.1f, 0.6f, 0.7f, 0.2f, 0.8f};
  static const std::array<uint8_t, 6> truths{1, 0, 0, 1, 1, 1};
  Report report = example_report();
  report.evaluation.reset();
  report.label_evaluation = LabelEvaluation::of({2, probabilities, truths});
  for (EpochRecord& record : report.history) {
    record.accuracy = NAN;
    record.valid_micro_f1 = 0.5;
  }
  report.mistakes = {{.truth = "a & b, no", .predicted = "(none)", .body = "x"}};
  report.examples = {};
  const std::string html = to_html(report);
  expect_well_formed(html);
  for (const char* part : {"micro F1 <b>0.7500</b>", "macro F1 <b>0.7500</b>", "subset accuracy <b>0.3333</b>",
                           "Hamming loss <b>0.3333</b>", "label ranking average precision <b>1.0000</b>",
                           "<td>a &amp; b</td><td>0.500</td><td>0.500</td><td>0.500</td><td>2</td>", ">Micro F1</text>",
                           "predicted <b>(none)</b></div>", "from a probability of 0.4 on", "Cross-validation"}) {
    EXPECT_THAT(html, HasSubstr(part));
  }
  for (const char* part : {"Confusion matrix", "Calibration", "ROC", "Accuracy", "nan"}) {
    EXPECT_THAT(html, Not(HasSubstr(part)));
  }
}

TEST(Report, LeavesOutWhatIsEmpty) {
  const std::string html = to_html({.title = "nothing"});
  expect_well_formed(html);
  EXPECT_THAT(html, Not(HasSubstr("Worst mistakes")));
  EXPECT_THAT(html, Not(HasSubstr("<svg")));
}

TEST(Report, ListsTheWorstPairsWhereAMatrixWouldBeTooWide) {
  Report report{.title = "many", .evaluation = Evaluation{ConfusionMatrix(40), 1}};
  for (int i = 0; i < 40; ++i) report.classes.push_back(std::to_string(i));
  report.evaluation->confusion.add(3, 7);
  const std::string html = to_html(report);
  EXPECT_THAT(html, HasSubstr("<td>3</td><td>7</td><td>1</td>"));
  EXPECT_THAT(html, Not(HasSubstr("Confusion matrix")));
}

TEST(UnitChart, DrawsItsLinesInTheSquare) {
  const std::string svg = unit_chart_svg("ROC", "x", "y", {{"a & b", {{0, 0}, {0, 1}, {1, 1}}}, {"c", {}}}, true);
  expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("path d=\"M40.0 368.0L40.0 48.0L360.0 48.0\""));
  EXPECT_THAT(svg, HasSubstr("a &amp; b"));
}

TEST(Chart, LeavesGapsAndSurvivesOddValues) {
  for (const std::vector<double>& values :
       {std::vector<double>{}, {1}, {2, 2, 2}, {NAN, NAN}, {1, NAN, 3}, {1e-9, 1e9}, {-5, 5}}) {
    const std::string svg = chart_svg("Loss", {{"train", values}}, 1);
    expect_well_formed(svg);
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
  EXPECT_THAT(chart_svg("Loss", {{"train", {1, NAN, 3}}}, 0), Not(testing::ContainsRegex("path d=\"[^\"]*L")));
}

TEST(Report, SaysWhereThereAreNoRocCurves) {
  Report report = example_report();
  EXPECT_THAT(to_html(report), Not(HasSubstr("too many classes for ROC curves")));
  report.evaluation->probabilities.roc.clear();
  const std::string html = to_html(report);
  EXPECT_THAT(html, HasSubstr("too many classes for ROC curves"));
  expect_well_formed(html);
}

}  // namespace
}  // namespace fovea::train
