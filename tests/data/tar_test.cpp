#include "fovea/data/tar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tar_writer.h"
#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::tar_end;
using data::testing::tar_entry;
using data::testing::TempFolder;
using ::testing::ElementsAre;
using ::testing::Pair;

std::vector<std::pair<std::string, std::string>> members_of(const std::string& path,
                                                            std::vector<std::string_view> endings = {}) {
  std::vector<std::pair<std::string, std::string>> all;
  TarReader reader(path);
  while (const auto entry = reader.next(endings)) all.emplace_back(entry->name, entry->content);
  return all;
}

/// The entry with another size in its header.
std::string of_size(std::string entry, const std::string& octal) {
  entry.replace(124, 11, octal);
  entry.replace(148, 8, std::string(8, ' '));
  int sum = 0;
  for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(entry[i]);
  return entry.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
}

TEST(Tar, ReadsFilesAndPassesOverTheRest) {
  const TempFolder folder;
  const std::string big(1300, 'x');
  const std::string archive = tar_entry("d/", "", '5') + tar_entry("d/a.wav", "sound") + tar_entry("link", "", '2') +
                              tar_entry("d/empty", "") + tar_entry("d/B.WAV", big) + tar_end();
  for (const std::string& content : {archive, data::testing::gzip(archive)}) {
    const std::string path = folder.write("a.tar", content);
    EXPECT_THAT(members_of(path), ElementsAre(Pair("d/a.wav", "sound"), Pair("d/empty", ""), Pair("d/B.WAV", big)));
    EXPECT_THAT(members_of(path, {".wav"}), ElementsAre(Pair("d/a.wav", "sound"), Pair("d/B.WAV", big)));
  }
}

TEST(Tar, ReadsLongNamesOfEveryKind) {
  const TempFolder folder;
  const std::string name = std::string(90, 'a') + "/" + std::string(90, 'b');
  std::string ustar = tar_entry(std::string(90, 'b'), "1");
  ustar.replace(345, 90, std::string(90, 'a'));
  int sum = 0;
  ustar.replace(148, 8, std::string(8, ' '));
  for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(ustar[i]);
  ustar.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  const std::string record = fmt::format("{} path={}\n", name.size() + 10, name);
  const std::string archive = ustar + tar_entry("././@LongLink", name + '\0', 'L') + tar_entry("cut", "2") +
                              tar_entry("pax", "12 mtime=12\n" + record, 'x') + tar_entry("cut", "3") +
                              tar_entry("d", "4");
  EXPECT_THAT(members_of(folder.write("a.tar", archive)),
              ElementsAre(Pair(name, "1"), Pair(name, "2"), Pair(name, "3"), Pair("d", "4")));
}

TEST(Tar, NamesFileAndByteOfWhatIsWrong) {
  const TempFolder folder;
  const std::string first = tar_entry("a", "content");
  std::string broken = first + first;
  broken[512 + 512 + 512 + 3] = '!';
  const struct {
    std::string content;
    const char* error;
  } cases[] = {
      {std::string(600, 'x'), "a.tar: byte 0: not a tar archive"},
      {"short", "a.tar: byte 5: the archive ends early, within a header"},
      {first.substr(0, 515), "a.tar: byte 515: the archive ends early, within a"},
      {first.substr(0, 600), "a.tar: byte 600: the archive ends early"},
      {first + first.substr(0, 100), "a.tar: byte 1124: the archive ends early, within a header"},
      {of_size(first, "99999999999"), "a.tar: byte 124: a size that is no octal number"},
      {of_size(first, "10000000001"), "a.tar: byte 124: \"a\" has 1073741825 bytes; up to 1073741824 can be read"},
      {tar_entry("caf\xe9.wav", ""), "a.tar: byte 0: the name \"caf\ufffd.wav\" is not UTF-8"},
      {first + std::string(1, 'b') + first.substr(1), "a.tar: byte 1024: the archive's header is broken"},
      {tar_entry("n", std::string(70000, 'x'), 'L'), "a.tar: byte 0: a name of 70000 bytes"},
  };
  for (const auto& each : cases) {
    const std::string path = folder.write("a.tar", each.content);
    EXPECT_EQ(error_of([&] { members_of(path); }), each.error);
  }
}

TEST(Tar, WhatIsPassedOverMayBeOfAnySize) {
  const TempFolder folder;
  const std::string path = folder.write("a.tar", of_size(tar_entry("a.bin", ""), "70000000000"));
  EXPECT_EQ(error_of([&] { members_of(path, {".wav"}); }), "a.tar: byte 512: the archive ends early");
}

}  // namespace
}  // namespace fovea::data
