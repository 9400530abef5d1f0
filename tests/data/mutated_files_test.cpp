// Files with a few bytes changed, cut off or doubled: each is read, or refused with a DataError that names it.
#include <gtest/gtest.h>

#include <functional>

#include "fovea/data/idx.h"
#include "fovea/data/image_file.h"
#include "fovea/data/npy.h"
#include "fovea/data/tar.h"
#include "fovea/data/wav.h"
#include "fovea/tensor/creation.h"
#include "jpeg_writer.h"
#include "tar_writer.h"
#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::TempFolder;

std::string mutated(std::string bytes, data::testing::Random& random) {
  const auto place = [&] { return random.below(std::min<size_t>(bytes.size(), 600)); };
  for (uint64_t i = 0; i <= random.below(4) && !bytes.empty(); ++i) {
    switch (random.below(4)) {
      case 0:
        bytes[place()] = static_cast<char>(random.below(256));
        break;
      case 1:
        bytes[place()] = static_cast<char>(random.below(2) == 0 ? 0xff : 0);
        break;
      case 2:
        bytes.resize(place());
        break;
      default:
        bytes.insert(place(), bytes.substr(0, 1 + random.below(40)));
    }
  }
  return bytes;
}

void expect_no_surprise(const std::string& bytes, const std::function<void(const std::string&)>& parse) {
  ASSERT_NO_THROW(parse(bytes));
  data::testing::Random random(5);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    try {
      parse(mutated(bytes, random));
    } catch (const DataError& error) {
      ++refused;
      EXPECT_NE(std::string(error.what()).find("a.bin"), std::string::npos) << error.what();
    }
  }
  EXPECT_GT(refused, 200);
}

const TempFolder& folder() {
  static const TempFolder one;
  return one;
}

TEST(MutatedFiles, Idx) {
  const std::string bytes("\0\0\x08\2\0\0\0\3\0\0\0\4abcdefghijkl", 24);
  expect_no_surprise(bytes, [](const std::string& text) { parse_idx(text, "a.bin").to_tensor(); });
}

TEST(MutatedFiles, Wave) {
  const std::string bytes = encode_wav({8000, std::vector<float>(300, 0.25f)});
  expect_no_surprise(bytes, [](const std::string& text) { parse_wav(text, "a.bin"); });
}

TEST(MutatedFiles, Png) {
  Image image{3, 12, 10, {}};
  for (int i = 0; i < 360; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 37));
  expect_no_surprise(encode_png(image), [](const std::string& text) { decode_png(text, "a.bin"); });
}

TEST(MutatedFiles, Jpeg) {
  Image image{3, 12, 10, {}};
  for (int i = 0; i < 360; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 37));
  expect_no_surprise(data::testing::jpeg(image, {.notes = {data::testing::exif_block(6)}}),
                     [](const std::string& text) { decode_jpeg(text, "a.bin"); });
}

TEST(MutatedFiles, Npy) {
  const std::string path = folder() / "a.npy";
  save_npy(path, tensor({1, 2, 3, 4, 5, 6}).reshape({2, 3}));
  expect_no_surprise(data::testing::read_back(path), [](const std::string& text) { parse_npy(text, "a.bin"); });
}

TEST(MutatedFiles, Tar) {
  const std::string bytes = data::testing::tar_entry("d/a.wav", std::string(700, 'x')) +
                            data::testing::tar_entry("././@LongLink", std::string(120, 'n'), 'L') +
                            data::testing::tar_entry("n", "content") + data::testing::tar_end();
  expect_no_surprise(bytes, [](const std::string& text) {
    TarReader reader(folder().write("a.bin", text));
    while (reader.next()) {
    }
  });
}

}  // namespace
}  // namespace fovea::data
