// Tells which names in the right column of docs/from_pytorch.md no header has: names SOURCE.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::regex word(R"(\w+)");

std::set<std::string> words_of_headers(const fs::path& source) {
  std::set<std::string> words;
  for (const char* folder : {"autograd", "backends", "data", "nn", "onnx", "tensor", "train"}) {
    for (const auto& entry : fs::directory_iterator(source / folder)) {
      if (entry.path().extension() != ".h") continue;
      const std::string text = read(entry.path());
      for (std::sregex_iterator at(text.begin(), text.end(), word), end; at != end; ++at) words.insert(at->str());
    }
  }
  return words;
}

}  // namespace

int main(int, char** argv) {
  const std::set<std::string> known = words_of_headers(argv[1]);
  // What is called, made or chosen, and what stands in code alone; not the variables of the examples.
  const std::regex code("`([^`]+)`"), name(R"((?:::|\.)([a-zA-Z_]\w*)|([a-zA-Z_]\w*)[({<]|^([a-zA-Z_]\w*)$)");
  const std::set<std::string> variables{"encoder", "output", "net", "fmt", "print"};
  std::ifstream page(fs::path(argv[1]) / "docs" / "from_pytorch.md");
  int checked = 0, missing = 0;
  for (std::string line; std::getline(page, line);) {
    const size_t right = line.find(" | ");
    if (!line.starts_with("| ") || right == std::string::npos) continue;
    const std::string cell = line.substr(right);
    for (std::sregex_iterator span(cell.begin(), cell.end(), code), end; span != end; ++span) {
      const std::string text = (*span)[1];
      for (std::sregex_iterator at(text.begin(), text.end(), name); at != end; ++at) {
        const std::string found = (*at)[1].str() + (*at)[2].str() + (*at)[3].str();
        ++checked;
        if (known.contains(found) || variables.contains(found)) continue;
        fmt::print("docs/from_pytorch.md: no header has {}, of {}\n", found, text);
        ++missing;
      }
    }
  }
  if (checked < 80) fmt::print("only {} names were found\n", checked);
  return missing == 0 && checked >= 80 ? 0 : 1;
}
