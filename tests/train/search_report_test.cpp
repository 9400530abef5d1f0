#include "fovea/train/search_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fovea/train/report.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(SearchRecordTest, GoesThroughJsonAndRanksByItsMetric) {
  SearchRecord a{.trial = 1,
                 .epochs = 3,
                 .point = {{"lr", "0.1"}, {"encoder", "gru"}},
                 .accuracy = 0.5,
                 .loss = 1,
                 .best_epoch = 2,
                 .seconds = 1.5};
  SearchRecord b{.trial = 2, .epochs = 3, .point = a.point, .accuracy = 0.75, .loss = 2};
  SearchRecord failed{.trial = 3, .epochs = 3, .point = a.point, .error = "no \"number\""};
  for (const SearchRecord& each : {a, b, failed}) {
    const SearchRecord back = search_record_from_json(to_json(each));
    EXPECT_EQ(to_json(back), to_json(each));
    EXPECT_EQ(back.point, each.point);
    EXPECT_EQ(back.best_epoch, each.best_epoch);
    EXPECT_EQ(back.seconds, each.seconds);
    EXPECT_EQ(std::isnan(back.accuracy), std::isnan(each.accuracy));
  }
  EXPECT_THROW(search_record_from_json("{}"), DataError);
  EXPECT_EQ(ranked({failed, a, b}, "accuracy").front().trial, 2);
  EXPECT_EQ(ranked({failed, a, b}, "loss").front().trial, 1);
  EXPECT_EQ(ranked({failed, a, b}, "loss").back().trial, 3);
  SearchRecord equal = a;
  equal.trial = 9;
  equal.loss = a.loss / 2;
  EXPECT_EQ(ranked({a, equal}, "accuracy").front().trial, 9) << "of two that are as accurate the one of less loss";
  EXPECT_EQ(ranked({failed, b, a}, "roc_auc").front().trial, 1) << "none has it: the earliest";
  failed.trial = 0;
  EXPECT_EQ(ranked({failed, b, a}, "roc_auc").back().trial, 0) << "what failed comes last of all";
  failed.accuracy = 1;
  EXPECT_EQ(ranked({failed, a, b}, "accuracy").back().trial, 0) << "what failed is no result";
}

/// A trial of one option; the more accurate it is, the more it loses.
SearchRecord trial_of(int64_t trial, const std::string& lr, double accuracy, int64_t round = 1) {
  return {.trial = trial,
          .round = round,
          .epochs = 3,
          .point = {{"lr", lr}},
          .accuracy = accuracy,
          .loss = accuracy,
          .best_epoch = 2,
          .seconds = 1.25};
}

std::string page_of(const std::vector<SearchRecord>& records, const std::string& metric = "accuracy") {
  return to_html({.title = "a <search>", .metric = metric, .records = records});
}

/// A dot as it is drawn.
std::string dot(double x, double y, const std::string& note, bool best = false) {
  return fmt::format(R"(<g class="s{}"><circle cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title>)", best ? 1 : 0, x, y,
                     best ? 5 : 3, note);
}
std::string tick(double x, const std::string& text) {
  return fmt::format(R"(<text class="tick mid" x="{:.1f}" y="209">{}</text>)", x, text);
}

// The dots lie between 54 and 338, and between 188 and 34.
TEST(SearchReportTest, DrawsADotForEachTrialByItsNumber) {
  const std::string page = page_of({trial_of(1, "1", 0.5), trial_of(2, "2", 0.75), trial_of(3, "5", 1)});
  EXPECT_THAT(page, HasSubstr("a &lt;search&gt;"));
  EXPECT_THAT(page, HasSubstr("accuracy by lr"));
  EXPECT_THAT(page, HasSubstr(dot(54, 188, "trial 1: lr 1, accuracy 0.5000")));
  EXPECT_THAT(page, HasSubstr(dot(54 + 284 / 4.0, 111, "trial 2: lr 2, accuracy 0.7500")));
  EXPECT_THAT(page, HasSubstr(dot(338, 34, "trial 3: lr 5, accuracy 1.0000", true)));
  EXPECT_THAT(page, HasSubstr(tick(54, "1") + tick(196, "3") + tick(338, "5")));
}

TEST(SearchReportTest, TakesLogarithmsWhereNumbersAreFarApart) {
  const std::string page = page_of({trial_of(1, "0.001", 0.5), trial_of(2, "0.01", 1), trial_of(3, "0.1", 0)});
  EXPECT_THAT(page, HasSubstr(dot(196, 34, "trial 2: lr 0.01, accuracy 1.0000", true)));
  EXPECT_THAT(page, HasSubstr(tick(54, "0.001") + tick(196, "0.01") + tick(338, "0.1")));
  // Not where there is none, nor between 1 and 20.
  EXPECT_THAT(page_of({trial_of(1, "0", 0.5), trial_of(2, "0.01", 1), trial_of(3, "0.1", 0)}),
              HasSubstr(tick(54, "0") + tick(196, "0.05") + tick(338, "0.1")));
  EXPECT_THAT(page_of({trial_of(1, "1", 0.5), trial_of(2, "20", 1)}),
              HasSubstr(tick(54, "1") + tick(196, "10.5") + tick(338, "20")));
  EXPECT_THAT(page_of({trial_of(1, "1", 0.5), trial_of(2, "25", 1)}),
              HasSubstr(tick(54, "1") + tick(196, "5") + tick(338, "25")));
}

TEST(SearchReportTest, SetsWordsAndSingleNumbersApart) {
  const std::string words = page_of({trial_of(1, "lstm", 1), trial_of(2, "gru", 0), trial_of(3, "lstm", 0.5)});
  EXPECT_THAT(words, HasSubstr(tick(54 + 71, "gru") + tick(54 + 213, "lstm")));
  EXPECT_THAT(words, HasSubstr(dot(54 + 213, 111, "trial 3: lr lstm, accuracy 0.5000")));
  const std::string same = page_of({trial_of(1, "0.5", 0.25), trial_of(2, "0.5", 0.25)});
  EXPECT_THAT(same, HasSubstr(tick(196, "0.5") + "<g"));
  EXPECT_THAT(same, HasSubstr(dot(196, 111, "trial 1: lr 0.5, accuracy 0.2500", true)));
}

TEST(SearchReportTest, TakesNoWordForMarkup) {
  const std::string page = page_of({trial_of(1, "<lstm>", 1), trial_of(2, "gru", 0)});
  EXPECT_THAT(page, HasSubstr(tick(54 + 71, "&lt;lstm&gt;")));
  EXPECT_THAT(page, HasSubstr("<td>&lt;lstm&gt;</td>"));
  EXPECT_THAT(page, Not(HasSubstr("<lstm>")));
}

TEST(SearchReportTest, LooksAtEachTrialAsFarAsItCame) {
  const std::string page = page_of({trial_of(1, "1", 0.9), trial_of(2, "2", 0.8), trial_of(3, "3", 0.1),
                                    trial_of(1, "1", 0.5, 2), trial_of(2, "2", 0.75, 2)});
  EXPECT_THAT(page, Not(HasSubstr("trial 1: lr 1, accuracy 0.9000")));
  EXPECT_THAT(page, HasSubstr("trial 1: lr 1, accuracy 0.5000"));
  EXPECT_THAT(page, HasSubstr(dot(196, 34, "trial 2: lr 2, accuracy 0.7500", true))) << "the best of the last round";
  EXPECT_THAT(page, HasSubstr("trial 3: lr 3, accuracy 0.1000"));
  std::vector<size_t> rows;
  for (const char* row : {"<td>2</td><td>2</td>", "<td>1</td><td>2</td>", "<td>1</td><td>1</td>",
                          "<td>2</td><td>1</td>", "<td>3</td><td>1</td>"}) {
    rows.push_back(page.find(std::string("<tr>") + row));
  }
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end())) << "the last round before the others, in each the best first";
  EXPECT_NE(rows.back(), std::string::npos);
}

TEST(SearchReportTest, TheLeastLossIsBest) {
  const std::string page = page_of({trial_of(1, "1", 0.5), trial_of(2, "2", 0.25), trial_of(3, "3", 1)}, "loss");
  EXPECT_THAT(page, HasSubstr(dot(196, 188, "trial 2: lr 2, loss 0.2500", true)));
  EXPECT_THAT(page, HasSubstr(dot(338, 34, "trial 3: lr 3, loss 1.0000")));
  EXPECT_THAT(page, HasSubstr(chart_svg("loss", {{"trial", {0.5, 0.25, 1}}, {"best so far", {0.5, 0.25, 0.25}}}, 0)));
}

TEST(SearchReportTest, TellsOfWhatFailed) {
  SearchRecord failed{.trial = 3, .epochs = 3, .point = {{"lr", "3"}}, .error = "no \"number\""};
  const std::string page = page_of({trial_of(1, "1", 0.5), trial_of(2, "2", 0.75), failed});
  EXPECT_THAT(page, HasSubstr("<td colspan=\"6\">no &quot;number&quot;</td>"));
  EXPECT_THAT(page, Not(HasSubstr("trial 3: ")));
  EXPECT_THAT(page, HasSubstr("<td>0.7500</td><td></td><td></td><td>0.7500</td><td>2</td><td>1.2</td></tr>"));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_THAT(page_of({failed}), Not(HasSubstr("by lr")));
  EXPECT_THAT(page_of({}), Not(HasSubstr("Trials")));
}

TEST(SearchRecordTest, OfSeveralLabelsTellsMicroF1) {
  const SearchRecord a{.trial = 1,
                       .epochs = 3,
                       .point = {{"lr", "0.1"}},
                       .accuracy = 0.5,
                       .macro_f1 = 0.25,
                       .micro_f1 = 0.75,
                       .loss = 1};
  const SearchRecord b{
      .trial = 2, .epochs = 3, .point = {{"lr", "0.2"}}, .accuracy = 0.6, .macro_f1 = 0.25, .micro_f1 = 0.7, .loss = 1};
  EXPECT_EQ(search_record_from_json(to_json(a)).micro_f1, 0.75);
  EXPECT_EQ(ranked({b, a}, "micro_f1").front().trial, 1);
  EXPECT_EQ(trials_table({a, b}),
            "trial  accuracy  macro F1  micro F1    loss  epochs  seconds   lr\n"
            "    1    0.5000    0.2500    0.7500  1.0000       3      0.0  0.1\n"
            "    2    0.6000    0.2500    0.7000  1.0000       3      0.0  0.2\n");
  const std::string page = to_html({.title = "labels", .metric = "micro_f1", .records = {a, b}});
  EXPECT_THAT(page, HasSubstr("<th>micro F1</th>"));
  EXPECT_THAT(page, HasSubstr("<td>0.7500</td>"));
  EXPECT_THAT(page, testing::Not(HasSubstr("ROC AUC")));
}

}  // namespace
}  // namespace fovea::train
