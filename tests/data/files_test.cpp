#include "fovea/data/files.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::read_back;
using testing::TempFolder;

TEST(WriteAtomically, ReplacesTheFileAndLeavesNothingElse) {
  TempFolder folder;
  const std::string path = folder.write("a.txt", "old");
  write_atomically(path, "new");
  EXPECT_EQ(read_back(path), "new");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.txt"});
}

TEST(WriteAtomically, WritesPiecesOfAnySizeInOrder) {
  TempFolder folder;
  std::string expected;
  write_atomically(folder / "a", [&](FileWriter& out) {
    for (const size_t size : {0u, 1u, 1000u, 300000u, 5u, 262144u, 262143u, 1u, 700000u}) {
      const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
      out.write(piece);
      expected += piece;
    }
  });
  EXPECT_EQ(read_back(folder / "a"), expected);
}

TEST(WriteAtomically, AnExceptionLeavesTheOldFile) {
  TempFolder folder;
  const std::string path = folder.write("a.txt", "old");
  const auto fail_half_way = [](FileWriter& out) {
    out.write(std::string(1000000, 'x'));
    throw std::logic_error("half way");
  };
  EXPECT_THROW(write_atomically(path, fail_half_way), std::logic_error);
  EXPECT_EQ(read_back(path), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.txt"});
}

TEST(WriteAtomically, SaysWhyItCannot) {
  TempFolder folder;
  EXPECT_EQ(error_of([&] { write_atomically(folder / "none/a.txt", "x"); }),
            "none/a.txt: cannot write: No such file or directory");
  folder.write("file", "");
  EXPECT_EQ(error_of([&] { write_atomically(folder / "file/a.txt", "x"); }),
            "file/a.txt: cannot write: Not a directory");
  std::filesystem::create_directory(folder / "sub");
  EXPECT_EQ(error_of([&] { write_atomically(folder / "sub", "x"); }), "sub: cannot write: is a directory");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { write_atomically(folder / "pipe", "x"); }), "pipe: cannot write: is not a regular file");
}

// A limit on the size of files stands in for a full disk: write(2) fails half way in both cases.
TEST(WriteAtomically, AFullDiskLeavesTheOldFile) {
  TempFolder folder;
  const std::string path = folder.write("a.txt", "old");
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string error = error_of([&] { write_atomically(path, std::string(1000000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(error, "a.txt: cannot write: File too large");
  EXPECT_EQ(read_back(path), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.txt"});
}

// What is left behind by a process that is gone is rubbish; of one that lives it is a file in the making.
TEST(RemoveAbandoned, TakesTheTemporaryFilesOfDeadProcessesAlone) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  TempFolder folder;
  const auto named = [](auto process, const char* rest) { return fmt::format("a.fovea-tmp-{}{}", process, rest); };
  const std::vector<std::string> kept{"a", named("", ""), named(child, ""), named(child, "x-0"), named(getpid(), "-0")};
  for (const std::string& name : kept) folder.write(name, "");
  folder.write(named(child, "-0"), "");
  std::filesystem::create_directory(folder / named(child, "-1"));
  folder.write(named(child, "-1/b"), "");
  remove_abandoned(folder / "");
  std::vector<std::string> left = folder.names(), expected = kept;
  std::sort(left.begin(), left.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(left, expected);
}

TEST(ReadFile, GivesAllBytesUpToTheLimit) {
  TempFolder folder;
  const std::string content(200000, 'y');
  const std::string path = folder.write("a", content);
  EXPECT_EQ(read_file(path), content);
  EXPECT_EQ(read_file(path, 200000), content);
  EXPECT_EQ(error_of([&] { read_file(path, 199999); }), "a: is longer than 199999 bytes");
  EXPECT_EQ(read_file(folder.write("empty", "")), "");
}

TEST(ReadFile, NamesWhatCannotBeRead) {
  TempFolder folder;
  EXPECT_EQ(error_of([&] { read_file(folder / "none"); }), "none: no such file");
  std::filesystem::create_directory(folder / "sub");
  EXPECT_EQ(error_of([&] { read_file(folder / "sub"); }), "sub: is a directory, expected a file");
}

TEST(MappedFile, ShowsTheBytes) {
  TempFolder folder;
  const MappedFile file(folder.write("a", "bytes"));
  ASSERT_EQ(file.bytes().size(), 5u);
  EXPECT_EQ(std::memcmp(file.bytes().data(), "bytes", 5), 0);
  EXPECT_TRUE(MappedFile(folder.write("empty", "")).bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  TempFolder folder;
  EXPECT_EQ(error_of([&] { MappedFile(folder / "none"); }), "none: no such file");
  EXPECT_EQ(error_of([&] { MappedFile(folder / "."); }), ".: is a directory, expected a file");
  EXPECT_EQ(error_of([&] { MappedFile("/dev/null"); }), "/dev/null: is not a regular file");
}

}  // namespace
}  // namespace fovea::data
