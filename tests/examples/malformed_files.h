#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "refusal.h"

// What tests of broken files share.
namespace fovea::test {

using data::testing::read_back;
using data::testing::TempFolder;

/// A number's bytes, the least significant one first.
template <class T>
std::string little(T value) {
  static_assert(std::endian::native == std::endian::little);
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

inline std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

/// `text` with what stands at `place` replaced by as many new bytes.
inline std::string overwritten(std::string text, size_t place, const std::string& by) {
  return text.replace(place, by.size(), by);
}

/// `text` with the first `what` replaced.
inline std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  if (at == std::string::npos) throw std::logic_error("no " + what + " to replace");
  return text.replace(at, what.size(), by);
}

inline std::string first_half(const std::string& text) { return text.substr(0, text.size() / 2); }

/// A file and what must be said of it behind its name.
struct MalformedFile {
  std::string name;
  std::string content;
  std::string error;
};

class MalformedFiles : public testing::Test {
 protected:
  /// Writes each file and runs the program with the arguments that `command` makes of its path.
  void expect_refused(const std::string& program, const std::function<Words(const std::string& path)>& command,
                      const std::vector<MalformedFile>& rows) const {
    for (const MalformedFile& row : rows) {
      SCOPED_TRACE(row.name + row.error);
      const std::string path = folder.write(row.name, row.content);
      test::expect_refused(program, command(path), path + row.error, folder / "");
      std::filesystem::remove(path);
    }
  }
  /// The same of a file in the folder of a model, which is whole again afterwards.
  void expect_model_refused(const std::string& program, const std::string& file, const Words& input,
                            const std::vector<std::pair<std::string, std::string>>& rows) const {
    const std::string path = folder / ("model/" + file), whole = read_back(path);
    for (const auto& [content, error] : rows) {
      SCOPED_TRACE(file + error);
      folder.write("model/" + file, content);
      test::expect_refused(program, Words{"predict", "--model", folder / "model"} + input, path + error, folder / "");
    }
    folder.write("model/" + file, whole);
    EXPECT_EQ(run(program, Words{"predict", "--model", folder / "model"} + input).status, 0);
  }
  std::function<Words(const std::string&)> train(const Words& flags = {}) const {
    return [this, flags](const std::string& path) {
      return Words{"train", "--train", path, "--out", folder / "out"} + flags;
    };
  }
  void make_model(const std::string& program, const std::string& data, const Words& flags) const {
    const Finished done =
        run(program, Words{"train", "--train", data, "--out", folder / "model", "--epochs", "1", "--quiet"} + flags);
    ASSERT_EQ(done.status, 0) << done.error;
  }

  TempFolder folder;
};

}  // namespace fovea::test
