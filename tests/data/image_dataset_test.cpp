#include "fovea/data/image_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/data/image_file.h"
#include "jpeg_writer.h"
#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::TempFolder;
using ::testing::ElementsAre;
using ::testing::StartsWith;

std::string idx_images(int count, int height, int width) {
  std::string out{0, 0, 8, 3,
                  0, 0, 0, static_cast<char>(count),
                  0, 0, 0, static_cast<char>(height),
                  0, 0, 0, static_cast<char>(width)};
  for (int i = 0; i < count * height * width; ++i) out += static_cast<char>(i);
  return out;
}
std::string idx_labels(std::initializer_list<int> labels) {
  std::string out{0, 0, 8, 1, 0, 0, 0, static_cast<char>(labels.size())};
  for (const int label : labels) out += static_cast<char>(label);
  return out;
}

TEST(ImageDataset, ReadsIdxWithTheLabelsBesideIt) {
  const TempFolder folder;
  const std::string path = folder.write("t-images-idx3.gz", data::testing::gzip(idx_images(3, 2, 4)));
  folder.write("t-labels-idx1", idx_labels({7, 0, 9}));
  const ImageDataset set = load_images(path);
  EXPECT_EQ(set.form, (ImageForm{1, 2, 4}));
  EXPECT_THAT(set.labels, ElementsAre("7", "0", "9"));
  EXPECT_THAT(set.image(1).pixels, ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
  EXPECT_EQ(set.names[2], path + "[2]");

  const ImageDataset part = load_images(path + "[1:3]");
  EXPECT_THAT(part.labels, ElementsAre("0", "9"));
  EXPECT_EQ(part.names[0], path + "[1]");
  EXPECT_EQ(part.bytes(0), set.bytes(1));
}

TEST(ImageDataset, ReadsAFolderOfClassesInOneForm) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "p/cat/old");
  std::filesystem::create_directories(folder / "p/dog");
  folder.write("p/cat/old/2.png", encode_png({1, 2, 2, {0, 0, 0, 0}}));
  folder.write("p/cat/1.png", encode_png({1, 2, 4, {9, 9, 9, 9, 9, 9, 9, 9}}));
  folder.write("p/dog/3.JPG", data::testing::jpeg({3, 1, 1, {255, 0, 0}}));
  folder.write("p/dog/readme.txt", "no picture");
  const ImageDataset set = load_images(folder / "p");
  EXPECT_EQ(set.form, (ImageForm{1, 2, 4}));
  EXPECT_THAT(set.labels, ElementsAre("cat", "cat", "dog"));
  EXPECT_THAT(set.image(2).pixels, ElementsAre(76, 76, 76, 76, 76, 76, 76, 76));
  EXPECT_THAT(load_images(folder / "p[!cat/*]").labels, ElementsAre("dog"));
  EXPECT_EQ(load_images(folder / "p", {3, 5, 5}).form, (ImageForm{3, 5, 5}));

  const std::vector<std::string> sources{folder / "p/dog/3.JPG", folder / "p/cat"};
  const ImageDataset loose = load_unlabelled_images(sources, {1, 1, 1});
  EXPECT_TRUE(loose.labels.empty());
  EXPECT_EQ(loose.size(), 3);
  EXPECT_THAT(loose.image(0).pixels, ElementsAre(76));
}

TEST(ImageDataset, HoldsPhotographsAsTheyWereSeen) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "p/cat");
  const std::string sideways =
      data::testing::jpeg({1, 8, 16, std::vector<uint8_t>(128, 90)}, {.notes = {data::testing::exif_block(6)}});
  folder.write("p/cat/1.jpg", sideways);
  const std::vector<std::string> sources{folder / "p/cat/1.jpg"}, contents{sideways};
  for (const ImageDataset& set :
       {load_images(folder / "p"), load_unlabelled_images(sources, {}), decode_images(contents, {})}) {
    EXPECT_EQ(set.form, (ImageForm{1, 16, 8}));
  }
}

TEST(ImageDataset, NamesWhatIsWrong) {
  const TempFolder folder;
  const auto error = [&](const std::string& name) { return error_of([&] { load_images(folder / name); }); };
  folder.write("images.idx", idx_images(2, 2, 2));
  EXPECT_THAT(error("images.idx"), StartsWith("labels.idx: "));
  folder.write("labels.idx", idx_labels({1}));
  EXPECT_THAT(error("images.idx"), StartsWith("labels.idx: 1 labels for the 2 images of "));
  folder.write("labels.idx", idx_images(2, 1, 1));
  EXPECT_EQ(error("images.idx"), "labels.idx: labels stand along one axis; this file has 3");
  folder.write("labels.idx", std::string("\0\0\x0d\1\0\0\0\2\0\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(error("images.idx"), "labels.idx: labels are whole numbers");
  folder.write("labels.idx", idx_labels({1, 2}));
  EXPECT_EQ(error("images.idx[0:3]"), "images.idx[0:3]: there are only 2 examples");
  EXPECT_EQ(error("labels.idx"), "labels.idx: an IDX file of images has bytes along 3 axes; this one has 1 axes");
  folder.write("pictures.idx", idx_images(2, 2, 2));
  EXPECT_EQ(error("pictures.idx"),
            "pictures.idx: a file of images has \"images\" in its name, so that its labels are found beside it");
  std::filesystem::create_directories(folder / "p/cat");
  EXPECT_EQ(error("p"), "p: no .png, .jpg or .jpeg file stands in it");
  std::filesystem::create_directories(folder / "p/dog");
  folder.write("p/dog/notes.txt", "");
  folder.write("p/dog/1.GIF", "");
  EXPECT_THAT(error("p"), StartsWith("p/dog/1.GIF: only .png, .jpg or .jpeg files can be read here; "));
  EXPECT_EQ(error("p[!*.GIF]"), "p: no .png, .jpg or .jpeg file stands in it");
  std::filesystem::remove(folder / "p/dog/1.GIF");
  folder.write("p/dog/1.png", encode_png({1, 1, 1, {0}}));
  folder.write("p/cat/1.png", "no picture");
  EXPECT_THAT(error("p"), StartsWith("p/cat/1.png: byte 0: not a PNG or JPEG file"));
  folder.write("p/cat/1.png", encode_png({1, 1, 1, {0}}));
  folder.write("p/2.png", encode_png({1, 1, 1, {0}}));
  EXPECT_EQ(error("p"), "p/2.png: stands in no folder that would name its class");
  EXPECT_EQ(error("none"), "none: no such file");
  const std::string longest(300, 'x');
  EXPECT_THAT(error(longest), StartsWith(longest + ": cannot be read: "));
  const std::vector<std::string> sources{folder / longest};
  EXPECT_THAT(error_of([&] { load_unlabelled_images(sources); }), StartsWith(longest + ": cannot be read: "));
}

}  // namespace
}  // namespace fovea::data
