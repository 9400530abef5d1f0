#include "fovea/data/example_source.h"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "fovea/data/file_error.h"
#include "fovea/data/unicode.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t most_files = 10'000'000;

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool is_number(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Paths become the names of classes and examples, which are written into JSON.
void check_path(const std::string& path) {
  if (find_invalid_utf8(path) != std::string::npos) fail(replace_invalid_utf8(path), "the path is not UTF-8");
}

/// A bound of a range; `otherwise` where it is left out.
int64_t bound(std::string_view text, int64_t otherwise, const ExampleSource& source) {
  int64_t value = otherwise;
  if (text.empty()) return value;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
    fail(source.text(), "{} is too great a number", text);
  }
  return value;
}

}  // namespace

ExampleSource ExampleSource::parse(const std::string& text) {
  check_path(text);
  if (exists(text) || !text.ends_with(']')) return {.path = text, .selection = {}};
  for (size_t open = text.find('['); open != std::string::npos; open = text.find('[', open + 1)) {
    const std::string path = text.substr(0, open);
    if (!exists(path)) continue;
    std::string selection = text.substr(open + 1, text.size() - open - 2);
    if (selection.empty()) fail(text, "nothing stands between its brackets");
    return {.path = path, .selection = std::move(selection)};
  }
  fail(text, "there is no such file or folder");
}

bool ExampleSource::is_range() const {
  const size_t colon = selection.find(':');
  return colon != std::string::npos && is_number(std::string_view(selection).substr(0, colon)) &&
         is_number(std::string_view(selection).substr(colon + 1));
}

std::pair<int64_t, int64_t> ExampleSource::range(int64_t count) const {
  if (selection.empty()) return {0, count};
  if (!is_range()) fail(text(), "its examples have no names; choose them by number, as in [0:100]");
  const std::string_view words = selection;
  const size_t colon = words.find(':');
  const int64_t first = bound(words.substr(0, colon), 0, *this), last = bound(words.substr(colon + 1), count, *this);
  if (last > count) fail(text(), "there are only {} examples", count);
  if (first >= last) fail(text(), "no example is meant");
  return {first, last};
}

bool ExampleSource::fits(const std::string& name) const {
  if (selection.empty() || is_range()) return true;
  const bool others = selection.front() == '!';
  return (fnmatch(selection.c_str() + (others ? 1 : 0), name.c_str(), 0) == 0) != others;
}

std::vector<size_t> ExampleSource::of(const std::vector<std::string>& names) const {
  std::vector<size_t> chosen;
  if (selection.empty() || is_range()) {
    const auto [first, last] = range(static_cast<int64_t>(names.size()));
    for (int64_t i = first; i < last; ++i) chosen.push_back(static_cast<size_t>(i));
    return chosen;
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (fits(names[i])) chosen.push_back(i);
  }
  if (chosen.empty())
    fail(text(), "none of {} names is meant{}", names.size(),
         names.empty() ? "" : ", the first of which is " + in_quotes(names.front()));
  return chosen;
}

bool is_folder(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::status_known(status)) fail(path, "cannot be read: {}", error.message());
  return fs::is_directory(status);
}

bool FileKinds::can_read(std::string_view name) const { return ends_in(name, endings.first(readable)); }

std::string FileKinds::text() const {
  std::string out(endings.front());
  for (size_t i = 1; i < readable; ++i) {
    out += i + 1 == readable ? " or " : ", ";
    out += endings[i];
  }
  return out;
}

std::vector<std::string> files_below(const std::string& folder, std::span<const std::string_view> endings) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().lexically_relative(folder).string();
    std::error_code ignored;
    if (is_hidden(name)) {
      entries.disable_recursion_pending();
      continue;
    }
    if (!ends_in(name, endings) || entries->is_directory(ignored)) continue;
    if (entries->is_other(ignored)) fail(entries->path().string(), "is not a regular file");
    check_path(entries->path());
    if (found.size() == most_files) fail(folder, "holds more than {} files", most_files);
    found.push_back(name);
  }
  if (error) fail(folder, "cannot be read: {}", error.message());
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> readable_files(const ExampleSource& source, const std::vector<std::string>& names,
                                        const FileKinds& kinds) {
  std::vector<std::string> readable;
  for (const std::string& name : names) {
    if (kinds.can_read(name)) {
      readable.push_back(name);
    } else if (source.fits(name)) {
      fail((fs::path(source.path) / name).string(),
           "only {} files can be read here; convert it, or leave it out by a pattern in brackets, as in [!*{}]",
           kinds.text(), fs::path(name).extension().string());
    }
  }
  if (readable.empty()) fail(source.path, "no {} file stands in it", kinds.text());
  return readable;
}

bool is_hidden(std::string_view path) {
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (part == "__MACOSX" || (part.starts_with('.') && part != "." && part != "..")) return true;
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return false;
}

bool ends_in(std::string_view name, std::string_view ending) {
  return name.size() >= ending.size() && std::equal(ending.rbegin(), ending.rend(), name.rbegin(),
                                                    [](char a, char b) { return ascii_lower(a) == ascii_lower(b); });
}

bool ends_in(std::string_view name, std::span<const std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return ends_in(name, ending); });
}

std::string first_folder(std::string_view path) {
  const size_t slash = path.find('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash));
}

}  // namespace fovea::data
