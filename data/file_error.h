#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fovea/backends/error.h"

// Errors about files: one line that begins with the file's name, and the line's number where there is one, so that
// editors and terminals can jump there. They name no place in the program: the file is what has to change.
namespace fovea::data {

/// Throws DataError "path: message".
template <class... Args>
[[noreturn]] void fail(std::string_view path, fmt::format_string<Args...> format, Args&&... args) {
  throw DataError(fmt::format("{}: {}", path, fmt::format(format, std::forward<Args>(args)...)));
}

/// Throws DataError "path:line: message"; lines count from 1.
template <class... Args>
[[noreturn]] void fail_at(std::string_view path, int64_t line, fmt::format_string<Args...> format, Args&&... args) {
  throw DataError(fmt::format("{}:{}: {}", path, line, fmt::format(format, std::forward<Args>(args)...)));
}

/// Throws DataError "path: byte N: message"; bytes count from 0, those of packed files as they are unpacked.
template <class... Args>
[[noreturn]] void fail_at_byte(std::string_view path, int64_t byte, fmt::format_string<Args...> format,
                               Args&&... args) {
  throw DataError(fmt::format("{}: byte {}: {}", path, byte, fmt::format(format, std::forward<Args>(args)...)));
}

/// Throws DataError "path: message: what errno says", errno being `code`.
[[noreturn]] void fail_system(std::string_view path, std::string_view message, int code);

/// Throws DataError "path:line: not valid JSON"; the parser stopped at the `byte`-th byte of `text`, from 1.
[[noreturn]] void fail_not_json(std::string_view path, std::string_view text, size_t byte);

/// Throws DataError "path: byte 0: not a PNG file, which begins with "\x89PNG": this one begins with "GIF89a"" of the file's
/// `bytes`; `kind` is "a PNG file" and `beginning` as the message shows it.
[[noreturn]] void fail_beginning(std::string_view path, std::string_view kind, std::string_view beginning,
                                 std::string_view bytes);

/// `text` in double quotes for a message: control characters escaped, cut where it is long.
std::string in_quotes(std::string_view text);

/// "a", "b", "c": each quoted; where there are very many, the first and how many more.
std::string list_in_quotes(const std::string* begin, const std::string* end);

}  // namespace fovea::data
