#include "fovea/data/label_columns.h"

#include "data/temp_folder.h"
#include "fovea/data/label_file.h"
#include "fovea/data/label_sets.h"
#include "fovea/data/streamed_texts.h"
#include "fovea/data/tabular_dataset.h"
#include "fovea/data/text_dataset.h"

namespace fovea::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::TempFolder;
using Strings = std::vector<std::string>;
using namespace std::string_literals;

/// A column for each label, in every way in which a cell says that it holds or not.
const std::string table =
    "text,sea,sun,id\n"
    "one,1,0,a\n"
    "two, true ,FALSE,b\n"
    "three,,1.0,c\n"
    "four,0.0,,d\n"
    "five,True,1,e\n";
const Strings cells{"sea\0"s, "sea\0"s, "sun\0"s, "", "sea\0sun\0"s};

class LabelColumnsOf : public ::testing::Test {
 protected:
  const TempFolder folder;
  const std::string path = folder.write("t.csv", table);
  const TextColumns columns{.several_labels = true, .label_columns = {"sea", "2"}};
};

TEST_F(LabelColumnsOf, TextsAreLists) {
  const TextDataset set = load_text_dataset(path, columns);
  EXPECT_EQ(set.labels, cells);
  EXPECT_THAT(set.texts, ElementsAre("one", "two", "three", "four", "five"));
  EXPECT_THAT(set.columns, ElementsAre("text", "sea,sun"));
  EXPECT_EQ(split_labels(set.labels[4], ",", {path, set.lines}, 4), (Strings{"sea", "sun"}));
  // The first column that is no label is the text where none has that name.
  folder.write("u.csv", "sea,words,sun\n1,one,0\n");
  EXPECT_THAT(load_text_dataset(folder / "u.csv", columns).texts, ElementsAre("one"));
}

TEST_F(LabelColumnsOf, StreamedTextsAreAsThoseOfAFileThatIsReadWhole) {
  const StreamedTexts streamed(path, {.columns = columns, .hold_out = 0});
  ASSERT_EQ(streamed.labels().size(), 2);
  LabelSets sets;
  const TextDataset set = load_text_dataset(path, columns);
  std::vector<Strings> names;
  for (size_t i = 0; i < set.labels.size(); ++i) {
    names.push_back(split_labels(set.labels[i], ",", {path, set.lines}, i));
  }
  std::vector<int32_t> numbers;
  StreamedTexts::Reader reader(streamed);
  while (reader.next()) numbers.push_back(reader.label());
  EXPECT_EQ(numbers, label_set_ids(names, {path, set.lines}, streamed.labels(), sets));
}

TEST_F(LabelColumnsOf, JsonLinesMayHoldTruthValues) {
  const std::string lines = folder.write("t.jsonl", R"({"text":"one","sea":true,"sun":0}
{"text":"two","sea":1,"sun":null}
{"text":"three","sun":1.0,"sea":false}
)");
  EXPECT_THAT(load_text_dataset(lines, columns).labels, ElementsAre("sea\0"s, "sea\0"s, "sun\0"s));
}

TEST_F(LabelColumnsOf, RowsAreNoFeatures) {
  const TabularDataset rows = load_tabular_dataset(path, {.several_labels = true, .label_columns = {"sun", "sea"}});
  EXPECT_THAT(rows.columns, ElementsAre("text", "id"));
  EXPECT_THAT(rows.order, ElementsAre("text", "id"));
  EXPECT_EQ(rows.label, "sun,sea");
  EXPECT_EQ(rows.labels[4], "sun\0sea\0"s);
  EXPECT_EQ(rows.cell(2, 1), "c");
}

TEST_F(LabelColumnsOf, FilesOfExamplesHaveARowEach) {
  folder.write("p/one.png", "");
  folder.write("p/two.png", "");
  LabelFile from{.path = folder.write("l.csv", "sun,picture,sea\n1,two.png,0\n1,one.png,1\n"),
                 .several_labels = true,
                 .label_columns = {"sea", "sun"}};
  LabelRows rows;
  const Strings names{"one.png", "two.png"};
  EXPECT_THAT(load_file_labels(from, {folder / "p", ""}, names, names, rows), ElementsAre("sea\0sun\0"s, "sun\0"s));
  EXPECT_THAT(rows.columns, ElementsAre("picture", "sea,sun"));
  EXPECT_THAT(rows.lines, ElementsAre(3, 2));
  from.file = "sun";
  EXPECT_EQ(error_of([&] {
              load_file_labels(from, {folder / "p", ""}, names, names, rows);
            }),
            "l.csv: column \"sun\" cannot be both file and label");
}

TEST_F(LabelColumnsOf, OtherCellsAreErrorsByLine) {
  const auto error = [&](const std::string& content, const Strings& labels = {"sea", "sun"}) {
    folder.write("wrong.csv", content);
    return error_of([&] {
      load_text_dataset(folder / "wrong.csv", {.text = {"text"}, .several_labels = true, .label_columns = labels});
    });
  };
  const std::string at = "wrong.csv", says = "; whether a row has that label is said by 1 or 0, true or false";
  EXPECT_EQ(error("text,sea,sun\none,1,0\ntwo,1,maybe\n"), at + ":3: \"maybe\" in column \"sun\"" + says);
  EXPECT_EQ(error("text,sea,sun\none,2,0\n"), at + ":2: \"2\" in column \"sea\"" + says);
  EXPECT_EQ(error("text,sea,sun\none,0.5,0\n"), at + ":2: \"0.5\" in column \"sea\"" + says);
  EXPECT_EQ(error("text,sea,sun\none,-1,0\n"), at + ":2: \"-1\" in column \"sea\"" + says);
  EXPECT_EQ(error("text,sea,sun\n", {"sea", "moon"}), at + ": no column \"moon\"; it has \"text\", \"sea\", \"sun\"");
  EXPECT_EQ(error("text,sea,sun\n", {"sea", "1"}), at + ": the column \"sea\" stands twice among those of labels");
  EXPECT_EQ(error("text,sea,\n", {"sea", "2"}), at + ": column 2 has no name, which would be that of a label");
  EXPECT_EQ(error("text,sea,sun\n", {"sea", "text"}), at + ": column \"text\" cannot be both text and label");
}

}  // namespace
}  // namespace fovea::data
