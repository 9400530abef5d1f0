#include "fovea/data/exif.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/data/image_file.h"
#include "jpeg_writer.h"
#include "png_chunk.h"

namespace fovea::data {
namespace {

using data::testing::exif_block;
using data::testing::jpeg;
using data::testing::with_chunk;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

TEST(Exif, TurnsAndMirrorsAsTheTagSays) {
  // Where the stored picture's first row and its first column are seen.
  struct Case {
    int orientation;
    int64_t height;
    std::vector<int> pixels;
  };
  for (const Case& each : {
           Case{1, 2, {1, 2, 3, 4, 5, 6}},  // top, left
           Case{2, 2, {3, 2, 1, 6, 5, 4}},  // top, right
           Case{3, 2, {6, 5, 4, 3, 2, 1}},  // bottom, right
           Case{4, 2, {4, 5, 6, 1, 2, 3}},  // bottom, left
           Case{5, 3, {1, 4, 2, 5, 3, 6}},  // left, top
           Case{6, 3, {4, 1, 5, 2, 6, 3}},  // right, top
           Case{7, 3, {6, 3, 5, 2, 4, 1}},  // right, bottom
           Case{8, 3, {3, 6, 2, 5, 1, 4}},  // left, bottom
       }) {
    SCOPED_TRACE(each.orientation);
    const Image seen = upright({1, 2, 3, {1, 2, 3, 4, 5, 6}}, each.orientation);
    EXPECT_EQ(seen.height, each.height);
    EXPECT_EQ(seen.width, 6 / each.height);
    EXPECT_THAT(seen.pixels, ElementsAreArray(each.pixels));
    EXPECT_EQ(exif_orientation(exif_block(each.orientation)), each.orientation);
    EXPECT_EQ(exif_orientation(exif_block(each.orientation, true)), each.orientation);
  }
  EXPECT_THAT(upright({3, 1, 2, {1, 2, 3, 4, 5, 6}}, 3).pixels, ElementsAre(2, 1, 4, 3, 6, 5));
}

/// Bright in the quarter at the top and left, where no block of the file is cut.
Image bright_corner() {
  Image image{3, 16, 32, {}};
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 16; ++y) {
      for (int x = 0; x < 32; ++x) image.pixels.push_back(y < 8 && x < 16 ? 230 : 20);
    }
  }
  return image;
}

TEST(Exif, StandsInAJpegFile) {
  const Image stored = bright_corner();
  const std::string xmp = std::string("http://ns.adobe.com/xap/1.0/\0<x/>", 33);
  for (const int orientation : {1, 3, 6, 8}) {
    const std::vector<std::vector<std::string>> markers{{exif_block(orientation)},
                                                        {xmp, exif_block(orientation, true)}};
    for (const std::vector<std::string>& notes : markers) {
      const Image seen = decode_jpeg(jpeg(stored, {.notes = notes}), "a.jpg"), expected = upright(stored, orientation);
      ASSERT_EQ(seen.height, expected.height);
      ASSERT_EQ(seen.width, expected.width);
      for (size_t i = 0; i < seen.pixels.size(); ++i) ASSERT_NEAR(seen.pixels[i], expected.pixels[i], 3) << i;
    }
  }
}

TEST(Exif, StandsInAPngFile) {
  for (const int64_t channels : {1, 3}) {
    Image stored{channels, 2, 3, {}};
    for (int64_t i = 0; i < channels * 6; ++i) stored.pixels.push_back(static_cast<uint8_t>(10 * i));
    const std::string png = encode_png(stored);
    for (const int orientation : {1, 3, 6, 8}) {
      for (const bool big_endian : {false, true}) {
        const std::string tiff = exif_block(orientation, big_endian).substr(6);
        const Image expected = upright(stored, orientation);
        for (const std::string& file : {with_chunk(png, "eXIf", tiff),
                                        // A second one does not count.
                                        with_chunk(with_chunk(png, "eXIf", tiff), "eXIf", exif_block(2).substr(6))}) {
          const Image seen = decode_png(file, "a.png");
          EXPECT_EQ(seen.height, expected.height);
          EXPECT_EQ(seen.width, expected.width);
          EXPECT_EQ(seen.pixels, expected.pixels);
        }
      }
    }
    for (const std::string& none : {with_chunk(png, "eXIf", ""), with_chunk(png, "eXIf", "MM\0\x2a"),
                                    with_chunk(png, "teSt", exif_block(6).substr(6))}) {
      EXPECT_EQ(decode_png(none, "a.png").pixels, stored.pixels);
    }
  }
}

TEST(Exif, ThatIsMalformedLeavesThePictureAsItLies) {
  const std::string good = exif_block(6);
  std::vector<std::string> bad{"", "Exif", exif_block(0), exif_block(9), exif_block(0x106)};
  for (size_t size = 0; size + 6 < good.size(); ++size) bad.push_back(good.substr(0, size));
  const auto change = [&](size_t at, std::string_view bytes) {
    bad.push_back(good);
    bad.back().replace(at, bytes.size(), bytes);
  };
  change(6, "JJ");                 // an order of bytes
  change(8, "\x2b");               // TIFF's 42
  change(10, "\xff\xff\xff\xff");  // the directory
  change(10, "\x40");
  change(14, std::string_view("\x01\0", 2));  // its entries: one less
  change(30, "\x02");                         // kind of number
  change(32, "\x02");                         // how many
  for (const std::string& block : bad) {
    EXPECT_EQ(exif_orientation(block), 1) << ::testing::PrintToString(block);
    EXPECT_EQ(decode_jpeg(jpeg(bright_corner(), {.notes = {block}}), "a.jpg").width, 32);
  }
  std::string more = good;
  more[14] = '\xff';  // 255 entries are claimed; the one that counts is there
  EXPECT_EQ(exif_orientation(more), 6);
}

}  // namespace
}  // namespace fovea::data
