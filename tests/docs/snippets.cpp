// Tells where the code in docs/extending.md is not that of the programs in examples/extending: snippets SOURCE.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What stands between "```cpp" or "```glsl" and "```".
std::vector<std::string> blocks_of(const std::string& text) {
  std::vector<std::string> blocks;
  for (const std::string fence : {"```cpp\n", "```glsl\n"}) {
    for (size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
      const size_t begin = at + fence.size(), end = text.find("```", begin);
      blocks.push_back(text.substr(begin, end - begin));
      at = end;
    }
  }
  return blocks;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: snippets SOURCE\n");
    return 2;
  }
  const fs::path source = arguments[1];
  std::string programs;
  for (const auto& entry : fs::directory_iterator(source / "examples" / "extending")) programs += read(entry.path());
  const std::vector<std::string> blocks = blocks_of(read(source / "docs" / "extending.md"));
  int failed = blocks.empty();
  for (const std::string& block : blocks) {
    if (programs.find(block) != std::string::npos) continue;
    fmt::print(stderr, "docs/extending.md: this stands in no program of examples/extending:\n{}", block);
    failed = 1;
  }
  return failed;
}
