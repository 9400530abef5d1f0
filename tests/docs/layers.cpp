// Writes docs/layers.md from the headers of nn and the rows of its tests, or tells where the committed file differs:
// layers SOURCE [--write]. Fails where a module or a function of nn has no test.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(fmt::format("cannot read {}", path.string()));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<fs::path> files(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// A class or a function and what its comment says of it, up to the list of shapes.
struct Entry {
  std::string name, base, text;
};

/// The entries of one header in their order; `base` is empty for functions.
std::vector<Entry> entries_of(const fs::path& header) {
  static const std::regex class_line(R"(^(?:class|struct) (\w+) : public (\w+)(?:<.*>)? \{)");
  static const std::regex function_line(R"(^(?:Tensor|Attended) (\w+)\()");
  std::vector<Entry> found;
  std::ifstream file(header);
  std::string text;
  bool shapes = false;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (line.starts_with("///")) {
      shapes = shapes || line.starts_with("///   ");
      if (!shapes && line.size() > 4) text += (text.empty() ? "" : " ") + line.substr(4);
      continue;
    }
    if (std::regex_search(line, match, class_line)) found.push_back({match[1], match[2], text});
    if (std::regex_search(line, match, function_line)) found.push_back({match[1], "", text});
    if (!line.starts_with("template")) text.clear(), shapes = false;
  }
  return found;
}

/// Names that `pattern` captures in the sources of a folder.
std::set<std::string> mentioned(const fs::path& folder, const char* pattern) {
  std::set<std::string> names;
  const std::regex wanted(pattern);
  for (const fs::path& source : files(folder, ".cpp")) {
    const std::string text = read(source);
    for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at) names.insert((*at)[1]);
  }
  return names;
}

/// The sources that a comment names in brackets: "(Hu et al. 2018)".
std::string papers(const std::string& text) {
  static const std::regex citation(R"(\(([A-Z][^()]*\b(?:19|20)\d\d[^()]*)\))");
  std::string all;
  for (std::sregex_iterator at(text.begin(), text.end(), citation), end; at != end; ++at) {
    all += (all.empty() ? "" : "; ") + (*at)[1].str();
  }
  return all;
}

std::string cell(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : c == '<' ? std::string("&lt;") : std::string(1, c);
  return out;
}

constexpr const char* introduction =
    "# Layers\n\n"
    "Made from the headers of `nn/` and the tests by `build/release/tests/docs/layers . --write`; a test fails where "
    "this\n"
    "file is behind them, and where a layer has no test. Shapes and options stand in the headers.\n\n"
    "- `Layer.*/NAME`: the layer's values against a direct computation in f64, first and second derivatives against "
    "finite\n"
    "  differences, and values and gradients of the CPU against Vulkan. Rows of a further name show a variant.\n"
    "- `Operation.*/NAME`: first and second derivatives, of strided inputs too, and the CPU against Vulkan.\n";

const std::string layer_head = "\n| layer | formula | paper | devices | tests |\n| --- | --- | --- | --- | --- |\n";
const std::string function_head =
    "\n| function | formula | paper | devices | tests |\n| --- | --- | --- | --- | --- |\n";

struct Document {
  std::string text = introduction;
  std::vector<std::string> faulty;  // modules without a formula or a test
};

Document make(const fs::path& source) {
  const fs::path tests = source / "tests" / "nn";
  const std::set<std::string> rows = mentioned(tests, R"(row<nn::(\w+)>)");
  const std::set<std::string> suites = mentioned(tests, R"(TEST(?:_[PF])?\((\w+),)");
  const std::set<std::string> operations = mentioned(source / "tests" / "autograd", R"re(\{"(\w+)",)re");
  std::map<fs::path, std::vector<Entry>> headers;
  std::set<std::string> bases;
  for (const fs::path& header : files(source / "nn", ".h")) {
    headers[header] = entries_of(header);
    for (const Entry& entry : headers[header]) bases.insert(entry.base);
  }
  std::map<std::string, std::string> base_of, text_of;
  for (const auto& [header, entries] : headers) {
    for (const Entry& entry : entries) {
      base_of[entry.name] = entry.base;
      if (!entry.text.empty()) text_of[entry.name] = entry.text;
    }
  }
  const auto is_module = [&](std::string name) {
    while (base_of.contains(name) && name != "Module") name = base_of[name];
    return name == "Module";
  };

  Document out;
  for (const auto& [header, entries] : headers) {
    std::string layers, functions;
    for (const Entry& entry : entries) {
      const std::string& name = entry.name;
      if (!is_module(name)) {
        if (!operations.contains(name) || functions.find(fmt::format("| {}() ", name)) != std::string::npos) continue;
        functions += fmt::format("| {}() | {} | {} | cpu, vulkan | `Operation.*/{}` |\n", name, cell(entry.text),
                                 cell(papers(entry.text)), name);
        continue;
      }
      if (bases.contains(name)) continue;  // what others derive from is no layer by itself
      const std::string text = text_of.contains(name) ? text_of[name] : text_of[entry.base];
      const std::string test = rows.contains(name)     ? fmt::format("`Layer.*/{}*`", name)
                               : suites.contains(name) ? fmt::format("`{}.*`", name)
                                                       : "";
      if (test.empty() || text.empty()) out.faulty.push_back(name);
      layers += fmt::format("| {} | {} | {} | cpu, vulkan | {} |\n", name, cell(text), cell(papers(text)), test);
    }
    if (layers.empty() && functions.empty()) continue;
    out.text += fmt::format("\n## fovea/nn/{}\n", header.filename().string());
    if (!layers.empty()) out.text += layer_head + layers;
    if (!functions.empty()) out.text += function_head + functions;
  }
  return out;
}

int run(const fs::path& source, bool write) {
  const Document made = make(source);
  for (const std::string& name : made.faulty) {
    fmt::print(stderr,
               "{}: a module needs a comment with its formula and a row in tests/nn (see support/layer_table.h)\n",
               name);
  }
  const fs::path target = source / "docs" / "layers.md";
  if (write) {
    std::ofstream(target) << made.text;
  } else if (!fs::exists(target) || read(target) != made.text) {
    fmt::print(stderr, "docs/layers.md is behind the headers or the tests: run layers {} --write\n", source.string());
    return 1;
  }
  return made.faulty.empty() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: layers SOURCE [--write]\n");
    return 2;
  }
  try {
    return run(arguments[1], count > 2 && std::string(arguments[2]) == "--write");
  } catch (const std::exception& error) {
    fmt::print(stderr, "layers: {}\n", error.what());
    return 1;
  }
}
