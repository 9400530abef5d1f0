#include "fovea/data/text_dataset.h"

#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::TempFolder;
using Strings = std::vector<std::string>;

TEST(TextDataset, FindsItsColumns) {
  TempFolder folder;
  const auto expect = [&](const char* header, const TextColumns& columns, const char* text, const char* label) {
    const TextDataset dataset = load_text_dataset(folder.write("a.csv", header + std::string("\nx,y,z\n")), columns);
    EXPECT_EQ(dataset.texts, Strings{text}) << header;
    EXPECT_EQ(dataset.labels, Strings{label}) << header;
  };
  expect("label,text,other", {}, "y", "x");
  expect("text,other,label", {}, "x", "z");
  expect("id,text,label", {}, "y", "z");
  expect("Text,LABEL,other", {}, "x", "y");
  expect("label,review,other", {}, "y", "x");
  expect("language,name,other", {}, "y", "x");
  expect("text,kind,other", {}, "x", "y");
  expect("a,b,c", {{"b"}, ""}, "y", "x");
  expect("a,b,c", {{"a"}, ""}, "x", "y");
  expect("a,b,c", {{}, "c"}, "x", "z");
  expect("a,b,c", {{"c"}, "b"}, "z", "y");
  expect("a,b,c", {{"2"}, "0"}, "z", "x");
  expect("a,b,c", {{"c", "a"}, "b"}, "z x", "y");
}

TEST(TextDataset, RefusesToTellTheLabelInTheText) {
  TempFolder folder;
  const std::string path = folder.write("a.csv", "a,b,c\nx,y,z\n");
  EXPECT_EQ(testing::error_of([&] {
              load_text_dataset(path, {{"a", "b"}, "b"});
            }),
            "a.csv: column \"b\" cannot be both text and label");
}

TEST(TextDataset, RefusesToChooseAmongColumnsOfOneName) {
  TempFolder folder;
  for (const char* name : {"label", "text"}) {
    const std::string path = folder.write("a.csv", fmt::format("label,{0},{0},text\nx,y,z,w\n", name));
    EXPECT_EQ(testing::error_of([&] { load_text_dataset(path, {}); }),
              fmt::format("a.csv: two columns are named \"{}\"; choose one by its position from 0", name));
    EXPECT_EQ(load_text_dataset(path, {{"1"}, "0"}).texts[0], "y");
  }
}

TEST(TextDataset, EndsLinesInLineFeeds) {
  TempFolder folder;
  const std::string csv = folder.write("a.csv", "text,more,label\r\n\"\r\nx\r\ny\r\r\n\",\"z\rw\",a\r\n");
  EXPECT_EQ(load_text_dataset(csv, {}).texts[0], "\nx\ny\r\n");
  EXPECT_EQ(load_text_dataset(csv, {{"text", "more"}, "label"}).texts[0], "\nx\ny\r\n z\rw");
  const std::string jsonl = folder.write("a.jsonl", "{\"text\":\"x\\r\\ny\",\"label\":\"a\"}\r\n");
  EXPECT_EQ(load_text_dataset(jsonl, {}).texts[0], "x\ny");
}

TEST(TextDataset, ReadsEachFormat) {
  TempFolder folder;
  for (const std::string& path :
       {folder.write("a.csv", "label,text\npos,\"good,\nfine\"\nneg,bad\n"),
        folder.write("a.csv.gz", testing::gzip("label,text\npos,\"good,\nfine\"\nneg,bad\n")),
        folder.write("a.tsv", "label\ttext\npos\t\"good,\nfine\"\nneg\tbad\n"),
        folder.write("a.jsonl",
                     "{\"text\":\"good,\\nfine\",\"label\":\"pos\"}\n{\"label\":\"neg\",\"text\":\"bad\"}\n")}) {
    const TextDataset dataset = load_text_dataset(path);
    EXPECT_EQ(dataset.texts, (Strings{"good,\nfine", "bad"}));
    EXPECT_EQ(dataset.labels, (Strings{"pos", "neg"}));
    EXPECT_EQ(dataset.lines[0] + 1, path.ends_with(".jsonl") ? dataset.lines[1] : dataset.lines[1] - 1);
  }
}

TEST(TextDataset, ReadsWithoutHeader) {
  TempFolder folder;
  const TextDataset dataset = load_text_dataset(folder.write("a.csv", "1,one\n2,two\n"), {}, {.header = false});
  EXPECT_EQ(dataset.texts, (Strings{"one", "two"}));
  EXPECT_EQ(dataset.labels, (Strings{"1", "2"}));
}

TEST(TextDataset, BlanksAroundALabelAreNotOfIt) {
  TempFolder folder;
  const TextDataset dataset = load_text_dataset(folder.write("a.csv", "label,text\n pos\t, a \npos ,b\nnot so,c\n"));
  EXPECT_EQ(dataset.labels, (Strings{"pos", "pos", "not so"}));
  EXPECT_EQ(dataset.texts[0], " a ");
}

TEST(TextDataset, NumbersMayBeLabels) {
  TempFolder folder;
  const TextDataset dataset = load_text_dataset(folder.write("a.jsonl", "{\"label\":1,\"text\":\"a\"}\n"));
  EXPECT_EQ(dataset.labels, Strings{"1"});
}

TEST(TextDataset, RefusesWhatItCannotUse) {
  TempFolder folder;
  const auto error = [&](const char* content, const TextColumns& columns = {}) {
    return error_of([&] { load_text_dataset(folder.write("a.csv", content), columns); });
  };
  EXPECT_EQ(error("label,text\n1,a\n", {{"txt"}, ""}), "a.csv: no column \"txt\"; it has \"label\", \"text\"");
  EXPECT_EQ(error("label,text\n1,a\n", {{}, "class"}), "a.csv: no column \"class\"; it has \"label\", \"text\"");
  EXPECT_EQ(error("label,text\n1,a\n", {{"2"}, ""}), "a.csv: no column \"2\"; it has \"label\", \"text\"");
  EXPECT_EQ(error("text\na\n"), "a.csv: no column is left for the label; it has only \"text\"");
  EXPECT_EQ(error("a,b\n1,2\n", {{"a", "b"}, ""}), "a.csv: no column is left for the label; it has only \"a\", \"b\"");
  EXPECT_EQ(error("label,text\n"), "a.csv: no rows below the header");
  EXPECT_EQ(error("label,text\n1,a\n,b\n"), "a.csv:3: the label is empty");
  EXPECT_EQ(error("label,text\n \t,b\n"), "a.csv:2: the label is empty");
  EXPECT_EQ(error("label,text\n1,a\n2\n"), "a.csv:3: 1 column, expected 2");
}

TEST(TextDataset, TurnsLabelsIntoIds) {
  TempFolder folder;
  const TextDataset train = load_text_dataset(folder.write("train.csv", "label,text\nb,1\na,2\nb,3\n"));
  const TextDataset test = load_text_dataset(folder.write("test.csv", "label,text\na,1\nb,2\n\nc,3\n"));
  const Labels labels = Labels::sorted(train.labels);
  EXPECT_EQ(label_ids(train, labels), (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(error_of([&] { label_ids(test, labels); }),
            "test.csv:5: unknown label \"c\"; the classes are \"a\", \"b\"");
}

}  // namespace
}  // namespace fovea::data
