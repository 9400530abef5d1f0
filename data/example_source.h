#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::data {

/// Where examples lie and which of them are meant:
///
///     digits.gz                 all of them
///     digits.gz[0:8000]         the first 8000, in the order of the file or of the names
///     recordings[*_[0-4].wav]   those whose names fit a pattern of the shell (fnmatch)
///     recordings[!*_[0-4].wav]  those whose names do not
struct ExampleSource {
  std::string path;
  std::string selection;  // what stands in the brackets; empty: all

  /// Splits a command line's word. One that names an existing file or folder as a whole has no selection. Throws
  /// DataError where there is neither, or the word is not UTF-8.
  static ExampleSource parse(const std::string& text);

  /// The word again.
  std::string text() const { return selection.empty() ? path : path + "[" + selection + "]"; }
  bool is_range() const;

  /// Which of `count` unnamed examples are meant, as [first, second). Throws DataError where the selection goes by name
  /// or past the end, or none is meant.
  std::pair<int64_t, int64_t> range(int64_t count) const;
  /// Whether an example of that name may be meant: a range tells nothing of names.
  bool fits(const std::string& name) const;
  /// Which of the names are meant, in their order. Throws as range does.
  std::vector<size_t> of(const std::vector<std::string>& names) const;
};

/// Whether there is a folder of that name. Throws DataError where that cannot be told.
bool is_folder(const std::string& path);

/// The endings of files (".png", in any case) that hold an example each: first those that can be read, then others of
/// their medium, whose examples would be missing without a word.
struct FileKinds {
  std::span<const std::string_view> endings;
  size_t readable;  // how many of them

  bool can_read(std::string_view name) const;
  /// ".png, .jpg or .jpeg"
  std::string text() const;
};

/// The files below a folder that are not hidden and whose names end in one of `endings`, as paths from there, sorted.
/// Throws DataError where a folder cannot be read or holds more than ten million, a path is not UTF-8 or a file not a
/// regular one.
std::vector<std::string> files_below(const std::string& folder, std::span<const std::string_view> endings);

/// The files of a source's folder or archive that can be read, of all the `names` of `kinds` in it. Throws DataError where
/// there is none, and with the name of one that the source means but that cannot be read.
std::vector<std::string> readable_files(const ExampleSource& source, const std::vector<std::string>& names,
                                        const FileKinds& kinds);

/// Whether the name of a file or of a folder above it begins with a dot, or is of what macOS adds to archives: no data.
bool is_hidden(std::string_view path);

/// Whether `name` ends in `ending`, in any case of ASCII letters.
bool ends_in(std::string_view name, std::string_view ending);
bool ends_in(std::string_view name, std::span<const std::string_view> endings);  // in one of them

/// "cat" of "cat/a/1.png": the first folder of a path; empty where there is none.
std::string first_folder(std::string_view path);

}  // namespace fovea::data
