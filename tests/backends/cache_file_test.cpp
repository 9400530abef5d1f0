#include "fovea/backends/cache_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

namespace fovea {
namespace {

class CacheFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("fovea-cache-" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    file_ = folder_ / "deep" / "cache.bin";
    for (int i = 0; i < 5000; ++i) content_.push_back(static_cast<std::byte>(i * 7));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_, file_;
  std::vector<std::byte> content_;
};

TEST_F(CacheFile, ComesBackUnderItsKeyAlone) {
  EXPECT_TRUE(read_cache(file_, "driver 1").empty());
  ASSERT_TRUE(write_cache(file_, "driver 1", content_));
  EXPECT_EQ(read_cache(file_, "driver 1"), content_);
  EXPECT_TRUE(read_cache(file_, "driver 2").empty());
  EXPECT_TRUE(read_cache(file_, "driver 10").empty());
  ASSERT_TRUE(write_cache(file_, "driver 2", std::span(content_).first(10)));
  EXPECT_EQ(read_cache(file_, "driver 2").size(), 10u);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(file_.parent_path())) files += entry.exists();
  EXPECT_EQ(files, 1u);
}

TEST_F(CacheFile, RefusesWhatIsCutOrDamaged) {
  ASSERT_TRUE(write_cache(file_, "key", content_));
  const auto size = std::filesystem::file_size(file_);
  for (const uintmax_t kept : {size - 1, size / 2, uintmax_t{31}, uintmax_t{0}}) {
    ASSERT_TRUE(write_cache(file_, "key", content_));
    std::filesystem::resize_file(file_, kept);
    EXPECT_TRUE(read_cache(file_, "key").empty()) << kept;
  }
  for (const uintmax_t place :
       {uintmax_t{0}, uintmax_t{9}, uintmax_t{17}, uintmax_t{23}, uintmax_t{25}, uintmax_t{33}, size - 1}) {
    ASSERT_TRUE(write_cache(file_, "key", content_));
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(place));
    const char damaged = static_cast<char>(file.get() ^ 0x20);
    file.seekp(static_cast<std::streamoff>(place));
    file.put(damaged);
    file.close();
    EXPECT_TRUE(read_cache(file_, "key").empty()) << place;
  }
}

TEST_F(CacheFile, AFolderThatCannotBeMadeIsNoError) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "deep") << "a file where the folder should be";
  EXPECT_FALSE(write_cache(file_, "key", content_));
}

TEST_F(CacheFile, LeavesNothingWhereItCannotWrite) {
  const auto files = [&] {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(file_.parent_path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  };
  std::filesystem::create_directories(file_ / "in its place");
  EXPECT_FALSE(write_cache(file_, "key", content_));
  EXPECT_EQ(files(), std::vector<std::string>{"cache.bin"});
  // As on a full disk, write(2) fails half way.
  std::filesystem::remove_all(file_);
  ASSERT_TRUE(write_cache(file_, "key", std::span(content_).first(10)));
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_FALSE(write_cache(file_, "key", content_));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(files(), std::vector<std::string>{"cache.bin"});
  EXPECT_EQ(read_cache(file_, "key").size(), 10u);
}

}  // namespace
}  // namespace fovea
