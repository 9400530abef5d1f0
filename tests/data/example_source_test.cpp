#include "fovea/data/example_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::TempFolder;
using ::testing::ElementsAre;
using ::testing::StartsWith;

const std::vector<std::string> names{"0_a_0.wav", "0_a_5.wav", "1_b_4.wav", "x/1_b_9.wav"};

TEST(ExampleSource, SplitsAPathFromASelection) {
  const TempFolder folder;
  const std::string file = folder.write("a.gz", ""), odd = folder.write("b[1:2]", "");
  EXPECT_EQ(ExampleSource::parse(file).selection, "");
  EXPECT_EQ(ExampleSource::parse(file + "[3:5]").path, file);
  EXPECT_EQ(ExampleSource::parse(file + "[3:5]").selection, "3:5");
  EXPECT_EQ(ExampleSource::parse(file + "[!*_[0-4].wav]").selection, "!*_[0-4].wav");
  EXPECT_EQ(ExampleSource::parse(odd).path, odd);
  EXPECT_EQ(ExampleSource::parse(odd + "[:2]").path, odd);
  EXPECT_EQ(ExampleSource::parse(odd + "[:2]").text(), odd + "[:2]");
  EXPECT_EQ(error_of([&] { ExampleSource::parse(folder / "none[3:5]"); }),
            "none[3:5]: there is no such file or folder");
  EXPECT_EQ(error_of([&] { ExampleSource::parse(file + "[]"); }), "a.gz[]: nothing stands between its brackets");
  EXPECT_EQ(error_of([&] { ExampleSource::parse(folder.write("caf\xe9", "")); }), "caf\ufffd: the path is not UTF-8");
}

TEST(ExampleSource, ChoosesByNumber) {
  using Range = std::pair<int64_t, int64_t>;
  EXPECT_EQ((ExampleSource{"a", ""}.range(5)), (Range{0, 5}));
  EXPECT_EQ((ExampleSource{"a", "1:3"}.range(5)), (Range{1, 3}));
  EXPECT_EQ((ExampleSource{"a", ":3"}.range(5)), (Range{0, 3}));
  EXPECT_EQ((ExampleSource{"a", "3:"}.range(5)), (Range{3, 5}));
  EXPECT_THAT((ExampleSource{"a", "1:3"}.of(names)), ElementsAre(1, 2));
  const auto error = [](const char* selection) { return error_of([&] { (ExampleSource{"a", selection}.range(5)); }); };
  EXPECT_EQ(error("1:6"), "a[1:6]: there are only 5 examples");
  EXPECT_EQ(error("3:3"), "a[3:3]: no example is meant");
  EXPECT_EQ(error("4:2"), "a[4:2]: no example is meant");
  EXPECT_EQ(error("99999999999999999999:"), "a[99999999999999999999:]: 99999999999999999999 is too great a number");
  EXPECT_EQ(error("*.png"), "a[*.png]: its examples have no names; choose them by number, as in [0:100]");
}

TEST(ExampleSource, ChoosesByName) {
  EXPECT_THAT((ExampleSource{"a", "*_[0-4].wav"}.of(names)), ElementsAre(0, 2));
  EXPECT_THAT((ExampleSource{"a", "!*_[0-4].wav"}.of(names)), ElementsAre(1, 3));
  EXPECT_THAT((ExampleSource{"a", "x/*"}.of(names)), ElementsAre(3));
  EXPECT_EQ(error_of([] {
              (ExampleSource{"a", "z*"}.of(names));
            }),
            "a[z*]: none of 4 names is meant, the first of which is \"0_a_0.wav\"");
}

TEST(IsFolder, SaysWhyItCannotBeTold) {
  const TempFolder folder;
  EXPECT_TRUE(is_folder(folder / ""));
  EXPECT_FALSE(is_folder(folder.write("a", "")));
  EXPECT_FALSE(is_folder(folder / "none"));
  const std::string longest(300, 'x');
  EXPECT_THAT(error_of([&] { is_folder(folder / longest); }), StartsWith(longest + ": cannot be read: "));
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_THAT(error_of([&] { is_folder(folder / "loop"); }), StartsWith("loop: cannot be read: "));
}

TEST(FilesBelow, AreSortedAndOfTheEndings) {
  const TempFolder folder;
  const std::vector<std::string_view> endings{".png", ".jpg"};
  std::filesystem::create_directories(folder / "b/deep");
  std::filesystem::create_directories(folder / "dir.png");
  for (const char* name : {"b/2.jpg", "b/deep/1.PNG", "a.png", "b/note.txt"}) folder.write(name, "");
  EXPECT_THAT(files_below(folder / "", endings), ElementsAre("a.png", "b/2.jpg", "b/deep/1.PNG"));
  std::filesystem::create_directories(folder / "__MACOSX");
  std::filesystem::create_directories(folder / "b/.thumbnails");
  for (const char* name : {"b/._2.png", "__MACOSX/1.png", "b/.thumbnails/2.png"}) folder.write(name, "");
  EXPECT_THAT(files_below(folder / "", endings), ElementsAre("a.png", "b/2.jpg", "b/deep/1.PNG"));
  mkfifo((folder / "pipe.png").c_str(), 0666);
  EXPECT_EQ(error_of([&] { files_below(folder / "", endings); }), "pipe.png: is not a regular file");
  std::filesystem::remove(folder / "pipe.png");
  EXPECT_EQ(first_folder("b/deep/1.PNG"), "b");
  EXPECT_EQ(first_folder("a.png"), "");
  EXPECT_EQ(error_of([&] { files_below(folder / "none", endings); }).substr(0, 23), "none: cannot be read: N");
  std::filesystem::create_directories(folder / "caf\xe9");
  folder.write("caf\xe9/1.png", "");
  EXPECT_EQ(error_of([&] { files_below(folder / "", endings); }), "caf\ufffd/1.png: the path is not UTF-8");
}

TEST(ReadableFiles, RefusesWhatIsMeantAndCannotBeRead) {
  const std::string_view endings[] = {".png", ".jpg", ".gif"};
  const FileKinds kinds{endings, 2};
  const std::vector<std::string> names{"cat/1.png", "cat/2.GIF", "dog/3.jpg"};
  EXPECT_EQ(error_of([&] { readable_files({.path = "pets", .selection = ""}, names, kinds); }),
            "pets/cat/2.GIF: only .png or .jpg files can be read here; convert it, or leave it out by a pattern in "
            "brackets, as "
            "in [!*.GIF]");
  EXPECT_NE(error_of([&] { readable_files({.path = "pets", .selection = "0:2"}, names, kinds); }), "");
  for (const char* selection : {"!*.GIF", "dog/*"}) {
    EXPECT_THAT(readable_files({.path = "pets", .selection = selection}, names, kinds),
                ElementsAre("cat/1.png", "dog/3.jpg"));
  }
  EXPECT_EQ(error_of([&] { readable_files({.path = "pets", .selection = ""}, {}, kinds); }),
            "pets: no .png or .jpg file stands in it");
}

}  // namespace
}  // namespace fovea::data
