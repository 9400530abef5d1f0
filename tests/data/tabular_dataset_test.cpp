#include "fovea/data/tabular_dataset.h"

#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::TempFolder;
using Strings = std::vector<std::string>;

TEST(TabularDataset, TakesTheLastColumnForTheLabelAndTheOthersForFeatures) {
  TempFolder folder;
  for (const std::string& path : {folder.write("a.csv", "x,y,kind\n1, b ,u\n,\"c,d\",v\n"),
                                  folder.write("a.csv.gz", testing::gzip("x,y,kind\n1, b ,u\n,\"c,d\",v\n")),
                                  folder.write("a.tsv", "x\ty\tkind\n1\t b \tu\n\tc,d\tv\n"),
                                  folder.write("a.jsonl",
                                               "{\"x\":1,\"y\":\"b\",\"kind\":\"u\"}\n"
                                               "{\"x\":null,\"y\":\"c,d\",\"kind\":\"v\"}\n")}) {
    const TabularDataset dataset = load_tabular_dataset(path);
    EXPECT_EQ(dataset.columns, (Strings{"x", "y"})) << path;
    EXPECT_EQ(dataset.cells, (Strings{"1", "b", "", "c,d"}));
    EXPECT_EQ(dataset.labels, (Strings{"u", "v"}));
    EXPECT_EQ(dataset.label, "kind");
    EXPECT_EQ(dataset.cell(1, 1), "c,d");
  }
}

TEST(TabularDataset, TakesTheColumnsThatItIsTold) {
  TempFolder folder;
  const std::string path = folder.write("a.csv", "kind,x,note,y,z\nu,1,hello,2,3\n");
  EXPECT_EQ(load_tabular_dataset(path, {.label = "kind"}).cells, (Strings{"1", "hello", "2", "3"}));
  EXPECT_EQ(load_tabular_dataset(path, {.label = "0", .drop = {"note", "4"}}).cells, (Strings{"1", "2"}));
  EXPECT_EQ(load_tabular_dataset(path, {.label = "kind", .features = {"y", "x"}}).cells, (Strings{"2", "1"}));
  const TabularDataset with_text = load_tabular_dataset(path, {.label = "kind", .text = {"note", "z"}});
  EXPECT_EQ(with_text.cells, (Strings{"1", "2"}));
  EXPECT_EQ(with_text.texts, Strings{"hello 3"});
}

TEST(TabularDataset, SkipsLinesAndDoesWithoutAHeader) {
  TempFolder folder;
  const std::string path = folder.write("a.csv", "2,3,first,second\n1,2,0\n3,4,1\n");
  const TabularDataset dataset = load_tabular_dataset(path, {}, {.header = false, .skip_lines = 1});
  EXPECT_EQ(dataset.columns, (Strings{"0", "1"}));
  EXPECT_EQ(dataset.labels, (Strings{"0", "1"}));
  EXPECT_EQ(dataset.lines, (std::vector<int64_t>{2, 3}));
  const std::string noted = folder.write("b.csv", "a note, \"with an open quote\n\nx,y\n1,2\n");
  EXPECT_EQ(load_tabular_dataset(noted, {}, {.skip_lines = 2}).lines, std::vector<int64_t>{4});
}

TEST(TabularDataset, RefusesWhatItCannotUse) {
  TempFolder folder;
  const auto error = [&](const char* content, const TabularColumns& columns = {}, TableOptions options = {}) {
    return error_of([&] { load_tabular_dataset(folder.write("a.csv", content), columns, options); });
  };
  EXPECT_EQ(error("x,y\n1,2\n", {.label = "z"}), "a.csv: no column \"z\"; it has \"x\", \"y\"");
  EXPECT_EQ(error("x,y\n1,2\n", {.drop = {"z"}}), "a.csv: no column \"z\"; it has \"x\", \"y\"");
  EXPECT_EQ(error("x,y\n1,2\n", {.text = {"y"}}), "a.csv: \"y\" is both a text and the label");
  EXPECT_EQ(error("x,y\n1,2\n", {.drop = {"x"}}), "a.csv: no column is left to learn from; it has only \"x\", \"y\"");
  EXPECT_EQ(error("x,y\n1,2\n3,\n"), "a.csv:3: the label is empty");
  EXPECT_EQ(error("x,y\n1,2\n3,4,5\n"), "a.csv:3: 3 columns, expected 2");
  EXPECT_EQ(error("x,y\n"), "a.csv: no rows below the header");
  EXPECT_EQ(error("x,y\n1,2\n", {}, {.skip_lines = 2}), "a.csv: nothing follows the 2 skipped lines");
}

TEST(TabularDataset, EndsTheLinesOfTextsInLineFeeds) {
  TempFolder folder;
  const std::string path = folder.write("a.csv", "x,note,label\r\n1,\"good,\r\nand cheap\",a\r\n");
  EXPECT_EQ(load_tabular_dataset(path, {.text = {"note"}}).texts, Strings{"good,\nand cheap"});
}

TEST(TypedRow, IsCommaSeparatedOrJson) {
  TabularDataset dataset{.columns = {"x", "y"}};
  append_typed_row(dataset, "1,\"a \"\"b\"\", c\"");
  append_typed_row(dataset, R"({"y": null, "x": 2.5})");
  append_typed_row(dataset, R"( {"y": "d"})");
  EXPECT_EQ(dataset.cells, (Strings{"1", "a \"b\", c", "2.5", "", "", "d"}));
  EXPECT_EQ(dataset.size(), 3);
  TabularDataset with_text{.columns = {"x"}, .text_columns = {"note"}};
  append_typed_row(with_text, "1,\"good, and cheap\"");
  append_typed_row(with_text, R"({"note": "bad", "x": true})");
  EXPECT_EQ(with_text.texts, (Strings{"good, and cheap", "bad"}));
  EXPECT_EQ(with_text.cells, (Strings{"1", "true"}));
}

TEST(TypedRow, HasTheOrderOfTheTable) {
  const TempFolder folder;
  const std::string file = folder.write("a.csv", "x,note,y,more,z,class\n1,good,2,cheap,3,a\n");
  TabularDataset dataset = load_tabular_dataset(file, {.text = {"more", "note"}, .drop = {"y"}});
  EXPECT_EQ(dataset.order, (Strings{"x", "note", "more", "z"}));
  append_typed_row(dataset, "1,good,cheap,3");
  append_typed_row(dataset, R"({"z": 3, "note": "good", "more": "cheap", "x": 1})");
  EXPECT_EQ(dataset.cells, (Strings{"1", "3", "1", "3", "1", "3"}));
  EXPECT_EQ(dataset.texts, Strings(3, "cheap good"));
  EXPECT_THAT(error_of([&] { append_typed_row(dataset, "1,3,good"); }),
              ::testing::HasSubstr("3 values, expected 4: \"x\", \"note\", \"more\", \"z\""));
}

TEST(TypedRow, SaysWhatIsWrong) {
  const auto error = [](const char* row) {
    TabularDataset dataset{.columns = {"x", "y"}};
    return error_of([&] { append_typed_row(dataset, row); });
  };
  EXPECT_EQ(error("1"), "\"1\": 1 value, expected 2: \"x\", \"y\"");
  EXPECT_EQ(error("1,2,3"), "\"1,2,3\": 3 values, expected 2: \"x\", \"y\"");
  EXPECT_NE(error("1,\"2").find("a quote is not closed"), std::string::npos);
  EXPECT_NE(error("\"1\"2,3").find("something stands behind a closing quote"), std::string::npos);
  EXPECT_NE(error("{\"x\": 1").find("not a JSON object"), std::string::npos);
  EXPECT_NE(error("{\"z\": 1}").find("no column \"z\"; the model knows \"x\", \"y\""), std::string::npos);
  EXPECT_NE(error("{\"x\": [1]}").find("a list or an object as a value"), std::string::npos);
}

}  // namespace
}  // namespace fovea::data
