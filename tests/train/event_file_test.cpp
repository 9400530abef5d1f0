#include "fovea/train/event_file.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "data/temp_folder.h"

namespace fovea::train {
namespace {

using data::testing::read_back;
using data::testing::TempFolder;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const unsigned char c : bytes) out += fmt::format("{:02x}", c);
  return out;
}

/// The payloads of a file's records, whose frames must be right.
std::vector<std::string> records_of(const std::string& path) {
  const std::string bytes = read_back(path);
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length;
    uint32_t crc;
    std::memcpy(&length, &bytes[at], 8);
    std::memcpy(&crc, &bytes[at + 8], 4);
    EXPECT_EQ(crc, masked_crc32c(std::string_view(bytes).substr(at, 8)));
    records.push_back(bytes.substr(at + 12, length));
    std::memcpy(&crc, &bytes[at + 12 + length], 4);
    EXPECT_EQ(crc, masked_crc32c(records.back()));
    at += 16 + length;
  }
  return records;
}

TEST(Crc32c, GivesItsKnownAnswers) {
  // RFC 3720, appendix B.4.
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(masked_crc32c(""), 0xa282ead8u);
}

TEST(EventFile, HoldsTheseVeryBytes) {
  TempFolder folder;
  EventFile file(folder / ".", [] { return 1.5; });
  EXPECT_TRUE(file.path().ends_with("events.out.tfevents.0000000001.000.fovea")) << file.path();
  file.scalar("loss", 300, 0.25);
  const std::vector<std::string> records = records_of(file.path());
  ASSERT_EQ(records.size(), 2u);
  // wall_time 1.5; file_version "brain.Event:2"
  EXPECT_EQ(hex(records[0]),
            "09000000000000f83f"
            "1a0d" +
                hex("brain.Event:2"));
  // wall_time 1.5; step 300; summary { value { tag "loss", simple_value 0.25 } }
  EXPECT_EQ(hex(records[1]),
            "09000000000000f83f"
            "10ac02"
            "2a0d"
            "0a0b"
            "0a04" +
                hex("loss") + "150000803e");
}

TEST(EventFile, WritesHistogramsWhoseBucketsHoldAll) {
  TempFolder folder;
  EventFile file(folder / ".", [] { return 1.5; });
  const std::vector<float> values{0, 1, 1, 4, std::numeric_limits<float>::quiet_NaN()};
  file.histogram("w", 0, values, 2);
  file.histogram("constant", 0, std::vector<float>(3, 2.0f));
  file.histogram("nothing", 0, {});
  const std::vector<std::string> records = records_of(file.path());
  ASSERT_EQ(records.size(), 4u);
  const auto packed = [](int field, const std::vector<double>& numbers) {
    std::string bytes(reinterpret_cast<const char*>(numbers.data()), 8 * numbers.size());
    return fmt::format("{:02x}{:02x}", field << 3 | 2, bytes.size()) + hex(bytes);
  };
  // min 0, max 4, num 4, sum 6, sum_squares 18, limits 2 and 4, counts 3 and 1
  EXPECT_TRUE(hex(records[1])
                  .ends_with("090000000000000000"
                             "110000000000001040"
                             "190000000000001040"
                             "210000000000001840"
                             "290000000000003240" +
                             packed(6, {2, 4}) + packed(7, {3, 1})))
      << hex(records[1]);
  EXPECT_TRUE(hex(records[2]).ends_with(packed(6, {2}) + packed(7, {3})));
  EXPECT_TRUE(hex(records[3]).ends_with(packed(6, {0}) + packed(7, {0})));
}

TEST(EventFile, FollowsFilesOfTheSameSecond) {
  TempFolder folder;
  const auto clock = [] { return 7.0; };
  EventFile first(folder / ".", clock), second(folder / ".", clock);
  EXPECT_LT(first.path(), second.path());
  EXPECT_THROW(EventFile(folder / "absent", clock), DataError);
}

}  // namespace
}  // namespace fovea::train
