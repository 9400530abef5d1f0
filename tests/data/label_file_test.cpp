#include "fovea/data/label_file.h"

#include <filesystem>

#include "data/tar_writer.h"
#include "data/temp_folder.h"
#include "fovea/data/audio_dataset.h"
#include "fovea/data/image_dataset.h"
#include "fovea/data/image_file.h"
#include "fovea/data/npy.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::StartsWith;
using testing::TempFolder;
using Strings = std::vector<std::string>;
using namespace std::string_literals;

/// A folder "p" of files that a table tells of.
class LabelTable : public ::testing::Test {
 protected:
  LabelTable() {
    std::filesystem::create_directories(folder / "p/a");
    for (const char* name : {"p/1.png", "p/2.png", "p/a/3.png", "other.png", "p/4.heic"}) folder.write(name, "");
  }
  Strings read(const std::string& content, LabelFile from = {}, const std::string& selection = "") {
    from.path = folder.write(name, content);
    const ExampleSource source{folder / "p", selection};
    return load_file_labels(from, source, names, chosen, rows);
  }
  std::string error(const std::string& content, const LabelFile& from = {}) {
    return error_of([&] { read(content, from); });
  }

  TempFolder folder;
  std::string name = "l.csv";
  Strings names{"1.png", "2.png", "a/3.png"}, chosen = names;
  LabelRows rows;
};

TEST_F(LabelTable, HasARowForEachFile) {
  EXPECT_THAT(read("file,label\na/3.png,c\n2.png, b \n1.png,a\n"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(rows.lines, ElementsAre(4, 3, 2));
  EXPECT_EQ(rows.path, folder / "l.csv");
  EXPECT_THAT(rows.columns, ElementsAre("file", "label"));
  chosen = {"2.png"};
  EXPECT_THAT(read("file,label\n1.png,\n2.png,b\n"), ElementsAre("b"));  // what is not meant may lack a label
  EXPECT_THAT(rows.lines, ElementsAre(3));
}

TEST_F(LabelTable, FindsItsColumnsByNameOrPlace) {
  chosen = names = {"1.png"};
  for (const char* header : {"label,Path", "Labels,file_name", "label,picture", "tag,FILE"}) {
    EXPECT_THAT(read(header + "\nx,1.png\n"s), ElementsAre("x")) << header;
  }
  EXPECT_THAT(read("picture,tag\n1.png,x\n"), ElementsAre("x"));
  EXPECT_THAT(read("id,picture,size,tag\n7,1.png,3,x\n", {.file = "picture", .label = "3"}), ElementsAre("x"));
  EXPECT_THAT(read("id,file,tag\n7,1.png,x\n", {.label = "tag"}), ElementsAre("x"));
  EXPECT_THAT(read("1.png;x\n", {.table = {.header = false, .delimiter = ';'}}), ElementsAre("x"));
  EXPECT_EQ(error("file\n1.png\n"), "l.csv: no column is left for the label; it has only \"file\"");
  EXPECT_EQ(error("file,label\n1.png,x\n", {.file = "label", .label = "label"}),
            "l.csv: column \"label\" cannot be both file and label");
  EXPECT_EQ(error("file,label\n1.png,x\n", {.label = "tag"}), "l.csv: no column \"tag\"; it has \"file\", \"label\"");
}

TEST_F(LabelTable, NamesFilesFromEitherFolder) {
  const Strings expected{"a", "b", "c"};
  EXPECT_EQ(read("file,label\n./1.png,a\np/2.png,b\np/../p/a/3.png,c\nother.png,d\n4.heic,e\np/4.heic,e\n"), expected);
  EXPECT_EQ(read("file,label\n1.png,a\n2.png,b\n" + folder / "p/a/3.png" + ",c\n"), expected);
  // Of two files of one name that in the source is meant.
  folder.write("1.png", "");
  EXPECT_EQ(read("file,label\n1.png,a\n2.png,b\na/3.png,c\n"), expected);
}

TEST_F(LabelTable, MayTellSeveralLabels) {
  EXPECT_EQ(read("file,label\n1.png,\"a, b\"\n2.png,\na/3.png, c\n", {.several_labels = true}),
            (Strings{"a, b", "", "c"}));
  name = "l.jsonl";
  chosen = names = {"1.png", "2.png"};
  const std::string lists = R"({"file": "1.png", "labels": ["a", "b"]})"s + "\n" + R"({"file": "2.png", "labels": []})";
  EXPECT_EQ(read(lists, {.several_labels = true}), (Strings{"a\0b\0"s, ""}));
  EXPECT_EQ(error(lists), "l.jsonl:1: field \"labels\" is an array, expected a string or a number");
}

TEST_F(LabelTable, NamesTheLineOfWhatIsWrong) {
  const std::string good = "file,label\n1.png,a\n2.png,b\na/3.png,c\n";
  EXPECT_EQ(error(good + "5.png,a\n"),
            "l.csv:5: there is no \"5.png\" in " + folder / "p" + ", whose first file is \"1.png\"");
  EXPECT_EQ(error(good + "a,b\n"), "");  // a folder is there, if not a file of examples
  EXPECT_EQ(error(good + "p/1.png,a\n"), "l.csv:5: a second row of \"p/1.png\"; the first is in line 2");
  EXPECT_EQ(error(good + ",a\n"), "l.csv:5: the file's name is empty");
  EXPECT_EQ(error(good + "1.png\n"), "l.csv:5: 1 column, expected 2");
  EXPECT_EQ(error("file,label\n1.png,a\n2.png, \na/3.png,c\n"), "l.csv:3: the label is empty");
  EXPECT_EQ(error("file,label\n2.png,a\n"), "l.csv: no row of \"1.png\", \"a/3.png\" in " + folder / "p");
  name = "l.txt";
  EXPECT_THAT(error(good), StartsWith("l.txt: unknown kind of file"));
}

std::string tiny_wav() {
  Audio audio{8000, std::vector<float>(20, 0.1f)};
  return encode_wav(audio);
}

TEST(LabelFile, TellsOfPicturesAndRecordings) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "p");
  std::filesystem::create_directories(folder / "s");
  for (const char* name : {"p/1.png", "p/2.png"}) folder.write(name, encode_png({1, 1, 1, {0}}));
  for (const char* name : {"s/1.wav", "s/2.wav"}) folder.write(name, tiny_wav());
  const LabelFile pictures{.path = folder.write("p.csv", "file,label\n2.png,b\n1.png,a\n")},
      recordings{.path = folder.write("s.csv", "file,label\n2.wav,b\n1.wav,a\n")};
  const ImageDataset seen = load_images(folder / "p", {}, pictures);
  EXPECT_THAT(seen.labels, ElementsAre("a", "b"));
  EXPECT_EQ(label_places(seen)[1], folder / "p.csv" + ":2");
  EXPECT_THAT(load_images(folder / "p[2*]", {}, pictures).labels, ElementsAre("b"));
  const AudioDataset heard = load_audio(folder / "s", {}, recordings);
  EXPECT_THAT(heard.labels, ElementsAre("a", "b"));
  EXPECT_EQ(label_places(heard)[0], folder / "s.csv" + ":3");
  EXPECT_EQ(heard.form.label, LabelPlace::any);
  EXPECT_EQ(label_places(load_audio(folder / "s"))[0], folder / "s/1.wav");

  const std::string tar = testing::tar_entry("./a/1.wav", tiny_wav()) + testing::tar_entry("./a/2.m4a", "");
  folder.write("s.tar", tar + testing::tar_end());
  const LabelFile archive{.path = folder.write("t.csv", "file,label\na/1.wav,a\na/2.m4a,b\n")};
  EXPECT_THAT(load_audio(folder / "s.tar[!*.m4a]", {}, archive).labels, ElementsAre("a"));
  EXPECT_THAT(error_of([&] { load_audio(folder / "s.tar", {}, archive); }), StartsWith("s.tar/./a/2.m4a: only .wav, "));

  const LabelFile several{.several_labels = true};
  const std::string note = ": its folders and names tell one label of each file; several stand in a table (--labels)";
  EXPECT_EQ(error_of([&] { load_images(folder / "p", {}, several); }), "p" + note);
  EXPECT_EQ(error_of([&] { load_audio(folder / "s.tar", {}, several); }), "s.tar" + note);
}

TEST(LabelFile, OfAnArrayIsAnArray) {
  const TempFolder folder;
  const std::string path = folder / "images.npy", labels = folder / "labels.npy";
  save_npy(path, zeros({3, 2, 2}, {.dtype = i32}));
  const auto read = [&](const Tensor& array, const LabelFile& from) {
    save_npy(labels, array);
    return load_images(path, {}, from).labels;
  };
  const Tensor matrix = from_vector(std::vector<float>{1, 0, 1, 0, 0, 0, 0, 1, 0}, {3, 3});
  const LabelFile several{.several_labels = true};
  const Strings expected{"0\0002\0"s, "", "1\0"s};
  EXPECT_EQ(read(matrix, several), expected);
  EXPECT_EQ(read(gt(matrix, 0), several), expected);
  EXPECT_EQ(read(matrix.to(i32), several), expected);
  const Tensor numbers = from_vector(std::vector<int32_t>{3, 1, 2});
  EXPECT_THAT(read(numbers, {}), ElementsAre("3", "1", "2"));
  std::filesystem::rename(labels, folder / "y.npy");
  EXPECT_THAT(load_images(path + "[1:3]", {}, {.path = folder / "y.npy"}).labels, ElementsAre("1", "2"));

  const auto error = [&](const Tensor& array, const LabelFile& from) { return error_of([&] { read(array, from); }); };
  EXPECT_EQ(error(numbers, several),
            "labels.npy: several labels stand along two axes, a row of 0 and 1 for each picture; this file has 1");
  EXPECT_EQ(error(matrix, {}),
            "labels.npy: labels stand along one axis; this file has 2, which are read with --multi-label");
  EXPECT_EQ(error(matrix + 1.0, several), "labels.npy: label 0 of picture 0 is 2; it has to be 0 or 1");
  EXPECT_EQ(error(full({3, 1}, NAN), several), "labels.npy: label 0 of picture 0 is nan; it has to be 0 or 1");
  EXPECT_THAT(error(zeros({2, 3}), several), StartsWith("labels.npy: 2 labels for the 3 images of "));
}

}  // namespace
}  // namespace fovea::data
