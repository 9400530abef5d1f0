#include "fovea/data/byte_reader.h"

#include <sys/stat.h>

#include <thread>

#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::gzip;
using testing::Random;
using testing::TempFolder;

std::string read_all(const std::string& path, size_t piece = 4096) {
  ByteReader reader(path);
  std::string content, buffer(piece, '\0');
  while (const size_t count = reader.read(buffer.data(), piece)) content.append(buffer, 0, count);
  return content;
}

std::string random_text(size_t size, uint64_t seed) {
  Random random(seed);
  std::string text;
  while (text.size() < size) text += static_cast<char>(random.below(256) & random.below(256));
  return text;
}

TEST(ByteReader, PlainAndGzipGiveTheSameBytes) {
  TempFolder folder;
  for (const size_t size : {0u, 1u, 2u, 3u, 1000u, 65535u, 65536u, 65537u, 1000000u}) {
    const std::string content = random_text(size, size);
    for (const size_t piece : {1u, 7u, 4096u, 100000u}) {
      if (size > 100000 && piece < 100) continue;
      EXPECT_EQ(read_all(folder.write("plain", content), piece), content) << size << " " << piece;
      EXPECT_EQ(read_all(folder.write("packed", gzip(content)), piece), content) << size << " " << piece;
    }
  }
}

TEST(ByteReader, GoesByContentNotByName) {
  TempFolder folder;
  EXPECT_EQ(read_all(folder.write("plain.gz", "text")), "text");
  EXPECT_EQ(read_all(folder.write("packed.csv", gzip("text"))), "text");
  EXPECT_EQ(read_all(folder.write("short", "\x1f")), "\x1f");
}

TEST(ByteReader, JoinsMembersAndSkipsPadding) {
  TempFolder folder;
  const std::string members = gzip("one,") + gzip("") + gzip("two") + std::string(513, '\0');
  EXPECT_EQ(read_all(folder.write("a.gz", members)), "one,two");
  EXPECT_EQ(read_all(folder.write("b.gz", gzip("one") + std::string(70000, '\0') + gzip("two"))), "onetwo");
}

TEST(ByteReader, ReadsPipes) {
  TempFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const std::string content = gzip(random_text(200000, 1));
  std::thread writer([&] { std::ofstream(path, std::ios::binary) << content; });
  const std::string got = read_all(path);
  writer.join();
  EXPECT_EQ(got, random_text(200000, 1));
}

TEST(ByteReader, TellsItsPosition) {
  TempFolder folder;
  const std::string packed = gzip(random_text(500000, 2));
  ByteReader reader(folder.write("a.gz", packed));
  EXPECT_EQ(reader.size(), static_cast<int64_t>(packed.size()));
  std::string buffer(1000, '\0');
  int64_t last = 0;
  while (reader.read(buffer.data(), buffer.size())) {
    EXPECT_GE(reader.position(), last);
    last = reader.position();
  }
  EXPECT_EQ(reader.position(), reader.size());
}

TEST(ByteReader, NamesWhatCannotBeRead) {
  TempFolder folder;
  EXPECT_EQ(error_of([&] { ByteReader(folder / "none.csv"); }), "none.csv: no such file");
  EXPECT_EQ(error_of([&] { ByteReader(folder / "."); }), ".: is a directory, expected a file");
}

TEST(ByteReader, GzipThatEndsEarlyIsAnErrorWhereverItIsCut) {
  TempFolder folder;
  const std::string packed = gzip(random_text(3000, 3));
  for (size_t size = 2; size < packed.size(); size += size < 30 ? 1 : 97) {
    const std::string path = folder.write("cut.gz", packed.substr(0, size));
    EXPECT_EQ(error_of([&] { read_all(path); }), fmt::format("cut.gz: gzip data ends early, at byte {}", size));
  }
  const std::string path = folder.write("cut.gz", packed.substr(0, packed.size() - 1));
  EXPECT_EQ(error_of([&] { read_all(path); }),
            fmt::format("cut.gz: gzip data ends early, at byte {}", packed.size() - 1));
}

TEST(ByteReader, BrokenGzipIsAnErrorThatNamesTheByte) {
  TempFolder folder;
  const std::string packed = gzip(random_text(3000, 4));
  std::string checksum = packed, method = packed, body = packed;
  checksum[checksum.size() - 8] ^= 1;
  method[2] = 7;
  body[10] = static_cast<char>(0xff);
  EXPECT_THAT(error_of([&] { read_all(folder.write("a.gz", checksum)); }),
              ::testing::MatchesRegex("a.gz: gzip data is broken at byte [0-9]+: incorrect data check"));
  EXPECT_THAT(error_of([&] { read_all(folder.write("a.gz", method)); }),
              ::testing::MatchesRegex("a.gz: gzip data is broken at byte [0-9]+: unknown compression method"));
  EXPECT_THAT(error_of([&] { read_all(folder.write("a.gz", body)); }),
              ::testing::MatchesRegex("a.gz: gzip data is broken at byte [0-9]+: invalid block type"));
  EXPECT_EQ(error_of([&] { read_all(folder.write("a.gz", packed + "more")); }),
            fmt::format("a.gz: bytes that are not gzip data follow it, from byte {}", packed.size()));
}

// Any damage either is found or changes nothing that matters (the header's time, say).
TEST(ByteReader, DamagedGzipNeverGivesOtherBytes) {
  TempFolder folder;
  const std::string content = random_text(400, 5), packed = gzip(content);
  for (size_t i = 0; i < packed.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = packed;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      if (i < 2) continue;  // no longer taken for gzip
      try {
        EXPECT_EQ(read_all(folder.write("a.gz", damaged)), content) << i;
      } catch (const DataError&) {
      }
    }
  }
}

}  // namespace
}  // namespace fovea::data
