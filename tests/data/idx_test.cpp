#include "fovea/data/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::TempFolder;
using ::testing::ElementsAre;

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

TEST(Idx, ReadsEveryTypeOfElements) {
  EXPECT_THAT(parse_idx(bytes({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 7, 255}), "a").to_tensor().to_vector<int32_t>(),
              ElementsAre(7, 255));
  EXPECT_EQ(parse_idx(bytes({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 7, 255}), "a").to_tensor().shape(), (Shape{2, 1}));
  EXPECT_THAT(parse_idx(bytes({0, 0, 9, 1, 0, 0, 0, 2, 7, 255}), "a").to_tensor().to_vector<int32_t>(),
              ElementsAre(7, -1));
  EXPECT_THAT(parse_idx(bytes({0, 0, 11, 1, 0, 0, 0, 2, 1, 2, 255, 254}), "a").to_tensor().to_vector<int32_t>(),
              ElementsAre(258, -2));
  EXPECT_THAT(parse_idx(bytes({0, 0, 12, 1, 0, 0, 0, 1, 0, 1, 0, 2}), "a").to_tensor().to_vector<int32_t>(),
              ElementsAre(65538));
  EXPECT_THAT(parse_idx(bytes({0, 0, 13, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0}), "a").to_tensor().to_vector<float>(),
              ElementsAre(1.5f));
  EXPECT_THAT(
      parse_idx(bytes({0, 0, 14, 1, 0, 0, 0, 1, 0xc0, 4, 0, 0, 0, 0, 0, 0}), "a").to_tensor().to_vector<double>(),
      ElementsAre(-2.5));
}

TEST(Idx, ReadsGzip) {
  const TempFolder folder;
  const std::string path = folder.write("a.gz", data::testing::gzip(bytes({0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3})));
  EXPECT_THAT(load_idx(path).to_tensor().to_vector<int32_t>(), ElementsAre(1, 2, 3));
}

TEST(Idx, NamesFileAndByteOfWhatIsWrong) {
  const struct {
    std::string content;
    const char* error;
  } cases[] = {
      {"", "a.idx: byte 0: the file ends early, within its header"},
      {bytes({0}), "a.idx: byte 1: the file ends early, within its header"},
      {"PNG?", "a.idx: byte 0: not an IDX file, which begins with \"\\x00\\x00\": this one begins with \"PNG?\""},
      {bytes({0, 0, 10, 1}), "a.idx: byte 2: 0x0a is no type of elements that IDX has"},
      {bytes({0, 0, 8, 0}), "a.idx: byte 3: an array of 0 axes; 1 to 8 can be read"},
      {bytes({0, 0, 8, 9}), "a.idx: byte 3: an array of 9 axes; 1 to 8 can be read"},
      {bytes({0, 0, 8, 2, 0, 0, 0, 1, 0, 0}), "a.idx: byte 10: the file ends early, within its header"},
      {bytes({0, 0, 8, 1, 0, 0, 0, 0}), "a.idx: byte 4: the array is empty: axis 0 has size 0"},
      {bytes({0, 0, 8, 1, 0, 0, 0, 3, 1, 2}), "a.idx: byte 10: the file ends early; 1 bytes of elements are missing"},
      {bytes({0, 0, 8, 1, 0, 0, 0, 1, 1, 2, 3}), "a.idx: byte 9: 2 bytes follow the last element"},
      {bytes({0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}),
       "a.idx: byte 4: the array would take more than 8589934592 bytes"},
      {bytes({0, 0, 8, 3, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255}),
       "a.idx: byte 12: the array would take more than 8589934592 bytes"},
      {data::testing::gzip(bytes({0, 0, 8, 1, 0, 0, 0, 1, 1})).substr(0, 20),
       "a.idx: gzip data ends early, at byte 20"},
  };
  const TempFolder folder;
  for (const auto& each : cases) {
    const std::string path = folder.write("a.idx", each.content);
    EXPECT_EQ(error_of([&] { load_idx(path); }), each.error);
  }
  EXPECT_EQ(error_of([&] { load_idx(folder / "none"); }).substr(0, 5), "none:");
}

}  // namespace
}  // namespace fovea::data
