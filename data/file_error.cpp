#include "fovea/data/file_error.h"

#include <algorithm>
#include <system_error>

#include "fovea/data/utf8.h"

namespace fovea::data {

void fail_system(std::string_view path, std::string_view message, int code) {
  fail(path, "{}: {}", message, std::generic_category().message(code));
}

void fail_not_json(std::string_view path, std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte > 0 ? byte - 1 : 0);
  fail_at(path, 1 + std::count(before.begin(), before.end(), '\n'), "not valid JSON");
}

void fail_beginning(std::string_view path, std::string_view kind, std::string_view beginning, std::string_view bytes) {
  constexpr size_t most = 12;
  std::string found;
  for (const char c : bytes.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    found += byte >= 0x20 && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  fail_at_byte(path, 0, "not {}, which begins with \"{}\": this one {}", kind, beginning,
               found.empty() ? "is empty" : fmt::format("begins with \"{}\"", found));
}

std::string in_quotes(std::string_view text) {
  constexpr size_t longest = 60;
  std::string out = "\"";
  const std::string_view shown = utf8_prefix(text, longest);
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (shown.size() < text.size()) out += "...";
  return out + '"';
}

std::string list_in_quotes(const std::string* begin, const std::string* end) {
  constexpr ptrdiff_t most = 20;
  std::string out;
  for (const std::string* item = begin; item != end; ++item) {
    if (item - begin == most) return out + fmt::format(" and {} more", end - item);
    if (item != begin) out += ", ";
    out += in_quotes(*item);
  }
  return out;
}

}  // namespace fovea::data
