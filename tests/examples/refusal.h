#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "data/temp_folder.h"
#include "program.h"

namespace fovea::test {

/// Every file under a folder with its content.
inline std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> all;
  if (!std::filesystem::exists(folder)) return all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) all[entry.path()] = data::testing::read_back(entry.path());
  }
  return all;
}

/// A program that cannot do what it is asked to says so in one line that begins with `error`, exits with status 2 and
/// leaves every file under `folder` as it was; `folder`/out is not made.
inline void expect_refused(const std::string& program, const Words& arguments, const std::string& error,
                           const std::string& folder, const std::string& input = {}) {
  SCOPED_TRACE(testing::PrintToString(arguments));
  const auto before = contents(folder);
  const Finished done = run(program, arguments, input);
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
  EXPECT_EQ(done.error.rfind(error, 0), 0u) << "expected " << error << "\nprinted  " << done.error;
  EXPECT_EQ(contents(folder), before);
  EXPECT_FALSE(std::filesystem::exists(folder + "out"));
}

}  // namespace fovea::test
