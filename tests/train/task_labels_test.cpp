#include "fovea/train/task_labels.h"

#include "data/temp_folder.h"

namespace fovea::train {
namespace {

using data::testing::error_of;
using ::testing::ElementsAre;
using Strings = std::vector<std::string>;

const std::vector<int64_t> lines{2, 3, 5};

TaskLabels with_flags(bool several, const std::string& separator = ",") {
  TaskLabels labels;
  OptionTable options;
  labels.declare_data(options);
  labels.declare_model(options);
  if (several) options.assign("multi-label", {"true"});
  options.assign("label-separator", {separator});
  return labels;
}

TEST(TaskLabels, AreOneClassARow) {
  TaskLabels labels = with_flags(false);
  EXPECT_FALSE(labels.several());
  EXPECT_EQ(labels.sets(), nullptr);
  // What stands between labels elsewhere is a part of the name.
  EXPECT_THAT(labels.learn("a.csv", "label", Strings{"b", "a,b", "b"}, {"a.csv", lines}), ElementsAre(1, 0, 1));
  EXPECT_THAT(labels.names().names(), ElementsAre("a,b", "b"));
  EXPECT_EQ(error_of([&] {
              labels.ids(Strings{"b", "", "a"}, {"b.csv", lines});
            }),
            "b.csv:3: unknown label \"\"; the classes are \"a,b\", \"b\"");
}

TEST(TaskLabels, AreAnyNumberOfClassesARow) {
  TaskLabels labels = with_flags(true, ";");
  EXPECT_TRUE(labels.several());
  const std::vector<int32_t> ids = labels.learn("a.csv", "label", Strings{"sea; sun", "", "sun;sea"}, {"a.csv", lines});
  EXPECT_THAT(labels.names().names(), ElementsAre("sea", "sun"));
  EXPECT_THAT(ids, ElementsAre(0, 1, 0));
  EXPECT_THAT((*labels.sets())[0], ElementsAre(0, 1));
  EXPECT_THAT((*labels.sets())[1], ElementsAre());
  // Another file's rows have their numbers among the same sets.
  EXPECT_THAT(labels.ids(Strings{"sun", "sea;sun", " "}, {"b.csv", lines}), ElementsAre(2, 0, 1));
  EXPECT_THAT((*labels.sets())[2], ElementsAre(1));
}

TEST(TaskLabels, NameTheLineOfWhatIsMalformed) {
  TaskLabels labels = with_flags(true);
  labels.learn("a.csv", "label", Strings{"sea,sun", "", "sun"}, {"a.csv", lines});
  const auto error = [&](const std::string& cell) {
    return error_of([&] { labels.ids(Strings{"sea", "", cell}, {"b.csv", lines}); });
  };
  EXPECT_EQ(error("sea,moon"), "b.csv:5: unknown label \"moon\"; the classes are \"sea\", \"sun\"");
  EXPECT_EQ(error("sea,,sun"), "b.csv:5: an empty label among those of \"sea,,sun\"");
  EXPECT_EQ(error("sea,sea"), "b.csv:5: the label \"sea\" stands there twice");
  const auto learned = [](const Strings& cells) {
    return error_of([&] { with_flags(true).learn("a.csv", "label", cells, {"a.csv", lines}); });
  };
  EXPECT_EQ(learned({"", " ", ""}), "a.csv: no example has a label; a classifier needs two classes");
  EXPECT_EQ(learned({"sea", "", "sea"}), "a.csv: all labels are \"sea\"; a classifier needs two classes");
}

TEST(TaskLabels, RefuseASeparatorThatSeparatesNothing) {
  EXPECT_EQ(error_of<UsageError>([] { with_flags(true, "").check(); }), "--label-separator: \"\" separates nothing");
  EXPECT_EQ(error_of<UsageError>([] { with_flags(false, ";").check(); }),
            "--label-separator is of no use without --multi-label");
  EXPECT_EQ(error_of<UsageError>([] {
              with_flags(false, ";").ids(Strings{}, {"a.csv", lines});
            }),
            "--label-separator is of no use without --multi-label");
  with_flags(true, ";").check();
  with_flags(false).check();
}

TEST(TaskLabels, OfColumnsAreOnesThatOccur) {
  TaskLabels labels;
  OptionTable options;
  labels.declare_data(options);
  labels.declare_model(options);
  options.assign("label-columns", {"sea,sun,fog"});
  EXPECT_EQ(error_of<UsageError>([&] { labels.check(); }), "--label-columns is of no use without --multi-label");
  options.assign("multi-label", {"true"});
  labels.check();
  EXPECT_THAT(labels.columns("", "label"), ElementsAre("sea", "sun", "fog"));
  EXPECT_EQ(error_of<UsageError>([&] { labels.columns("mood", "label"); }), "--label does not go with --label-columns");
  const auto learn = [&](const Strings& cells) { labels.learn("a.csv", "sea,sun,fog", cells, {"a.csv", lines}); };
  learn({"sea,sun", "fog", ""});
  EXPECT_EQ(error_of([&] {
              learn({"sea,sun", "sun", ""});
            }),
            "a.csv: 1 of 3 columns of labels hold no 1 (--label-columns); those that do are \"sea\", \"sun\"");
  options.assign("label-separator", {";"});
  EXPECT_EQ(error_of<UsageError>([&] { labels.check(); }), "--label-separator is of no use with --label-columns");
}

TEST(TaskLabels, HoldOutAShareOfEachClass) {
  TaskLabels labels = with_flags(true);
  Strings cells;
  std::vector<int64_t> numbers;
  for (int i = 0; i < 200; ++i) {
    cells.push_back(i % 10 == 0 ? "rare,usual" : i % 2 == 0 ? "usual" : "");
    numbers.push_back(i + 2);
  }
  const std::vector<int32_t> ids = labels.learn("a.csv", "label", cells, {"a.csv", numbers});
  const std::vector<Part> parts = labels.divide(ids, {.hold_out = 0.1});
  std::map<std::string, int> held_out;
  for (size_t i = 0; i < cells.size(); ++i) held_out[cells[i]] += parts[i] == Part::valid;
  EXPECT_EQ(held_out, (std::map<std::string, int>{{"rare,usual", 2}, {"usual", 8}, {"", 10}}));
}

TEST(TaskLabels, ForgetSetsOfOtherClasses) {
  TaskLabels labels = with_flags(true);
  labels.learn("a.csv", "label", Strings{"sea,sun", "", "sun"}, {"a.csv", lines});
  labels.take(data::Labels::in_order({"sun", "moon"}));
  EXPECT_EQ(labels.sets()->size(), 0);
  EXPECT_THAT(labels.ids(Strings{"moon", "sun", "moon"}, {"b.csv", lines}), ElementsAre(0, 1, 0));
  EXPECT_THAT((*labels.sets())[0], ElementsAre(1));
}

}  // namespace
}  // namespace fovea::train
