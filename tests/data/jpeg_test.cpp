#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/data/image_file.h"
#include "jpeg_writer.h"
#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::jpeg;
using data::testing::JpegForm;
using data::testing::TempFolder;
using ::testing::Each;
using ::testing::StartsWith;

/// Without edges, which JPEG does not keep.
Image gradients(int64_t channels, int64_t height, int64_t width) {
  Image image{channels, height, width, {}};
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) image.pixels.push_back(static_cast<uint8_t>(40 + 60 * c + 3 * y + x));
    }
  }
  return image;
}

int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.channels, b.channels);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

TEST(Jpeg, ComesBackNearlyAsItWas) {
  for (const int64_t channels : {1, 3}) {
    for (const bool progressive : {false, true}) {
      const Image image = gradients(channels, 9, 21);
      const std::string bytes = jpeg(image, {.progressive = progressive});
      EXPECT_LE(largest_difference(decode_image(bytes, "a.jpg"), image), 3) << channels << progressive;
    }
  }
}

TEST(Jpeg, OfFourInksBecomesRedGreenAndBlue) {
  const Image inks{3, 4, 4, std::vector<uint8_t>(48, 55)};
  for (const bool adobe : {false, true}) {
    const Image image = decode_jpeg(jpeg(inks, {.inks = true, .adobe = adobe}), "a.jpg");
    EXPECT_EQ(image.channels, 3);
    EXPECT_THAT(image.pixels, Each(::testing::AllOf(::testing::Ge(98), ::testing::Le(101))))
        << adobe;  // 200 * 127 / 255
  }
}

TEST(Jpeg, SaysWhatIsBroken) {
  const std::string good = jpeg(gradients(3, 32, 32));
  const auto error = [](const std::string& bytes) { return error_of([&] { decode_jpeg(bytes, "a.jpg"); }); };
  EXPECT_THAT(error(""), StartsWith("a.jpg: the JPEG file is broken: "));
  EXPECT_THAT(error("no picture"), StartsWith("a.jpg: the JPEG file is broken: Not a JPEG file"));
  for (const size_t size : {size_t{30}, good.size() / 2, good.size() - 2}) {
    EXPECT_EQ(error(good.substr(0, size)), "a.jpg: the JPEG file is broken: Premature end of JPEG file");
  }
  EXPECT_EQ(error(good + "left over"), "");
  std::string huge = good;
  const size_t frame = good.find("\xff\xc0");
  huge.replace(frame + 5, 4, "\x20\x01\x10\x01");
  EXPECT_EQ(error(huge), "a.jpg: a picture of 4097 x 8193 pixels; up to 33554432 pixels can be read");
}

TEST(Jpeg, MayNotGoOverThePictureForever) {
  std::string bytes = jpeg({1, 8, 8, std::vector<uint8_t>(64, 128)}, {.progressive = true});
  const size_t first = bytes.find("\xff\xda"), second = bytes.find("\xff", first + 2);
  const std::string scan = bytes.substr(first, second - first);
  for (int i = 0; i < 200; ++i) bytes.insert(first, scan);
  EXPECT_THAT(error_of([&] { decode_jpeg(bytes, "a.jpg"); }), ::testing::EndsWith(": more than 100 scans"));
}

TEST(LoadImage, GoesByWhatTheFileBeginsWith) {
  const TempFolder folder;
  const Image image = gradients(1, 5, 7);
  EXPECT_EQ(load_image(folder.write("a.jpg", encode_png(image))).pixels, image.pixels);
  EXPECT_LE(largest_difference(load_image(folder.write("a.png", jpeg(image))), image), 3);
  EXPECT_EQ(
      error_of([&] { load_image(folder.write("b.png", "GIF89a")); }),
      "b.png: byte 0: not a PNG or JPEG file, which begins with \"\\x89PNG\" or \"\\xff\\xd8\": this one begins with "
      "\"GIF89a\"");
}

}  // namespace
}  // namespace fovea::data
