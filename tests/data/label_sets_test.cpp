#include "fovea/data/label_sets.h"

#include "data/temp_folder.h"
#include "fovea/data/tabular_dataset.h"
#include "fovea/data/text_dataset.h"

namespace fovea::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::TempFolder;
using Strings = std::vector<std::string>;
using namespace std::string_literals;

TEST(SplitLabels, ParsesCellsAndLists) {
  const auto split = [](std::string_view cell, std::string_view separator = ",") {
    return split_labels(cell, separator, {"a.csv", {}}, 0);
  };
  EXPECT_EQ(split("sport"), Strings{"sport"});
  EXPECT_EQ(split(" sport ,\tpolitics"), (Strings{"sport", "politics"}));
  EXPECT_EQ(split("a, b||c", "||"), (Strings{"a, b", "c"}));
  EXPECT_EQ(split("a b", " "), (Strings{"a", "b"}));
  EXPECT_TRUE(split("").empty());
  EXPECT_TRUE(split("  ", " ").empty());
  EXPECT_EQ(split("a, b\0 c\0"s), (Strings{"a, b", "c"}));
  EXPECT_EQ(split("a, b\0"s), Strings{"a, b"});
}

TEST(SplitLabels, NamesTheLineOfWhatIsMalformed) {
  const std::vector<int64_t> lines{2, 7};
  const auto error = [&](std::string_view cell) {
    return error_of([&] { split_labels(cell, ",", {"a.csv", lines}, 1); });
  };
  EXPECT_EQ(error("a,,b"), "a.csv:7: an empty label among those of \"a,,b\"");
  EXPECT_EQ(error("a,"), "a.csv:7: an empty label among those of \"a,\"");
  EXPECT_EQ(error(", a"), "a.csv:7: an empty label among those of \", a\"");
  EXPECT_EQ(error("a, b,a "), "a.csv:7: the label \"a\" stands there twice");
  EXPECT_EQ(error("a\0\0"s), "a.csv:7: an empty label in a list");
  EXPECT_EQ(error("a\0a\0"s), "a.csv:7: the label \"a\" stands there twice");
}

TEST(LabelSets, NumberDistinctSetsWhateverTheirOrder) {
  LabelSets sets;
  EXPECT_EQ(sets.add({2, 0}), 0);
  EXPECT_EQ(sets.add({}), 1);
  EXPECT_EQ(sets.add({0, 2}), 0);
  EXPECT_EQ(sets.add({0}), 2);
  EXPECT_EQ(sets.size(), 3);
  EXPECT_THAT(sets[0], ElementsAre(0, 2));
  EXPECT_THAT(sets[1], ElementsAre());
}

TEST(LabelSets, AreFoundByTheNamesOfTheirClasses) {
  LabelSets sets;
  const Labels labels = Labels::in_order({"a", "b", "c"});
  const std::vector<Strings> names{{"c", "a"}, {}, {"a", "c"}};
  const std::vector<int64_t> lines{2, 3, 5};
  EXPECT_THAT(label_set_ids(names, {"a.csv", lines}, labels, sets), ElementsAre(0, 1, 0));
  EXPECT_THAT(sets[0], ElementsAre(0, 2));
  const std::vector<Strings> unknown{{"a"}, {}, {"a", "d"}};
  EXPECT_EQ(error_of([&] {
              label_set_ids(unknown, {"a.csv", lines}, labels, sets);
            }),
            "a.csv:5: unknown label \"d\"; the classes are \"a\", \"b\", \"c\"");
}

TEST(LabelSets, TellTheRarestClassOfEachExample) {
  LabelSets sets;
  const int32_t both = sets.add({0, 1}), first = sets.add({0}), none = sets.add({}), equals = sets.add({1, 2});
  const std::vector<int32_t> examples{both, first, none, first, equals, sets.add({2})};
  EXPECT_THAT(rarest_classes(examples, sets, 3), ElementsAre(1, 0, 3, 0, 1, 2));
}

TEST(SeveralLabels, MayBeNoneOrAListInTextsAndTables) {
  TempFolder folder;
  const std::string csv = folder.write("a.csv", "label,text\n\"a,b\",one\n,two\n");
  EXPECT_EQ(load_text_dataset(csv, {.several_labels = true}).labels, (Strings{"a,b", ""}));
  EXPECT_EQ(error_of([&] { load_text_dataset(csv, {}); }), "a.csv:3: the label is empty");
  EXPECT_EQ(load_tabular_dataset(csv, {.label = "label", .several_labels = true}).labels, (Strings{"a,b", ""}));
  EXPECT_EQ(error_of([&] { load_tabular_dataset(csv, {.label = "label"}); }), "a.csv:3: the label is empty");

  const std::string jsonl =
      folder.write("a.jsonl", "{\"text\":\"one\",\"label\":[\"a\",\"b\"]}\n{\"text\":\"\",\"label\":[]}\n");
  EXPECT_EQ(load_text_dataset(jsonl, {.several_labels = true}).labels, (Strings{"a\0b\0"s, ""}));
  EXPECT_EQ(load_tabular_dataset(jsonl, {.label = "label", .several_labels = true}).labels, (Strings{"a\0b\0"s, ""}));
  EXPECT_EQ(error_of([&] { load_text_dataset(jsonl, {}); }),
            "a.jsonl:1: field \"label\" is an array, expected a string or a number");
  EXPECT_EQ(error_of([&] { load_tabular_dataset(jsonl, {.label = "label"}); }),
            "a.jsonl:1: field \"label\" is an array, expected a string or a number");
}

}  // namespace
}  // namespace fovea::data
