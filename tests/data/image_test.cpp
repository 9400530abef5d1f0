#include "fovea/data/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::TempFolder;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::StartsWith;

Image some_image(int64_t channels, int64_t height, int64_t width) {
  Image image{channels, height, width, {}};
  for (int64_t i = 0; i < channels * height * width; ++i) image.pixels.push_back(static_cast<uint8_t>(37 * i + i / 7));
  return image;
}

TEST(Png, ComesBackAsItWas) {
  for (const int64_t channels : {1, 3}) {
    const Image image = some_image(channels, 5, 9);
    const Image back = decode_png(encode_png(image), "a.png");
    EXPECT_EQ(back.channels, channels);
    EXPECT_EQ(back.height, 5);
    EXPECT_EQ(back.width, 9);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(Png, NamesTheFileThatIsNone) {
  const TempFolder folder;
  const std::string good = encode_png(some_image(1, 40, 40));
  std::string broken = good;
  broken[60] ^= 0x55;
  std::string huge = good;  // its header claims 2^31 - 1 columns
  for (const size_t i : {16, 17, 18, 19}) huge[i] = i == 16 ? '\x7f' : '\xff';
  const std::string cases[] = {"", "not a picture", good.substr(0, 20), good.substr(0, good.size() - 30), broken, huge};
  for (const std::string& content : cases) {
    const std::string path = folder.write("a.png", content);
    EXPECT_THAT(error_of([&] { load_image(path); }), StartsWith("a.png: ")) << content.size();
  }
}

TEST(Png, HasABoundForItsPixels) {
  std::string claims = encode_png(some_image(1, 2, 2));
  claims.replace(16, 8, std::string("\0\0\x20\0\0\0\x10\1", 8));  // 8192 x 4097
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(claims.data()) + 12, 17);
  for (size_t i = 0; i < 4; ++i) claims[29 + i] = static_cast<char>(sum >> (24 - 8 * i));
  EXPECT_EQ(error_of([&] { decode_png(claims, "a.png"); }),
            "a.png: a picture of 8192 x 4097 pixels; up to 33554432 pixels can be read");
}

TEST(Resize, KeepsAnEvenPictureEven) {
  const Image even{1, 7, 5, std::vector<uint8_t>(35, 90)};
  for (const auto& [height, width] : {std::pair{3, 2}, {14, 11}, {7, 1}, {1, 30}}) {
    const Image other = resize(even, height, width);
    EXPECT_EQ(other.pixels.size(), static_cast<size_t>(height * width));
    EXPECT_THAT(other.pixels, Each(90));
  }
}

TEST(Resize, InterpolatesAndAverages) {
  const Image row{1, 1, 2, {0, 100}};
  EXPECT_THAT(resize(row, 1, 4).pixels, ElementsAre(0, 25, 75, 100));
  // Halved, a pixel weighs its two old ones by 3 each and the one beside by 1.
  const Image four{1, 1, 4, {0, 80, 160, 240}};
  EXPECT_THAT(resize(four, 1, 2).pixels, ElementsAre(57, 183));
  const Image colour = some_image(3, 6, 4);
  EXPECT_EQ(resize(colour, 6, 4).pixels, colour.pixels);
  EXPECT_THROW(resize(colour, 0, 4), ValueError);
}

TEST(Resize, TakesLittleMemoryBesidesItsPicture) {
  const auto peak = [] {  // in KiB
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const Image large{1, 8192, 8192, std::vector<uint8_t>(size_t{1} << 26, 7)};
  const auto before = peak();
  EXPECT_THAT(resize(large, 2, 2).pixels, Each(7));
  EXPECT_LT(peak() - before, 8 << 10);
}

TEST(WithChannels, MixesAndRepeats) {
  EXPECT_THAT(with_channels({3, 1, 2, {255, 0, 0, 255, 0, 0}}, 1).pixels, ElementsAre(76, 150));
  EXPECT_THAT(with_channels({1, 1, 2, {7, 9}}, 3).pixels, ElementsAre(7, 9, 7, 9, 7, 9));
  EXPECT_THROW(with_channels({1, 1, 1, {7}}, 2), ValueError);
}

}  // namespace
}  // namespace fovea::data
