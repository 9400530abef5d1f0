#include "fovea/data/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "fovea/data/example_source.h"
#include "fovea/data/file_error.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

constexpr int64_t block_size = 512;
constexpr int64_t most_content = int64_t{1} << 30, most_name = 65536;

using Block = std::array<char, block_size>;

/// A field of a header, up to its NUL.
std::string_view field(const Block& block, size_t begin, size_t size) {
  const std::string_view whole(block.data() + begin, size);
  return whole.substr(0, whole.find('\0'));
}

/// An octal number, or -1 where it is none.
int64_t octal(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 ? value : -1;
}

/// The sum of a header's bytes, its own field as spaces.
int64_t checksum(const Block& block) {
  int64_t sum = 0;
  for (size_t i = 0; i < block.size(); ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return sum;
}

int64_t padding(int64_t size) { return (block_size - size % block_size) % block_size; }

/// The value of "path" among pax's records "LENGTH KEY=VALUE\n"; empty where there is none.
std::string pax_path(std::string_view records) {
  while (!records.empty()) {
    size_t length = 0;
    const auto end = std::from_chars(records.data(), records.data() + records.size(), length).ptr;
    const auto digits = static_cast<size_t>(end - records.data());
    if (length <= digits + 1 || length > records.size()) return {};
    const std::string_view record = records.substr(digits + 1, length - digits - 2);
    if (record.starts_with("path=")) return std::string(record.substr(5));
    records.remove_prefix(length);
  }
  return {};
}

}  // namespace

TarReader::TarReader(const std::string& path) : reader_(path) {}

bool TarReader::read_block(char* block) {
  int64_t got = 0;
  while (got < block_size) {
    const size_t count = reader_.read(block + got, static_cast<size_t>(block_size - got));
    if (count == 0) break;
    got += static_cast<int64_t>(count);
  }
  position_ += got;
  if (got != 0 && got != block_size) fail_at_byte(reader_.path(), position_, "the archive ends early, within a header");
  return got == block_size;
}

std::string TarReader::read_content(int64_t size, const char* what) {
  std::string content;
  while (static_cast<int64_t>(content.size()) < size) {
    const size_t before = content.size();
    content.resize(static_cast<size_t>(std::min<int64_t>(size, static_cast<int64_t>(before) + (int64_t{1} << 20))));
    const size_t count = reader_.read(content.data() + before, content.size() - before);
    content.resize(before + count);
    position_ += static_cast<int64_t>(count);
    if (count == 0) fail_at_byte(reader_.path(), position_, "the archive ends early, within {}", what);
  }
  skip(padding(size));
  return content;
}

void TarReader::skip(int64_t size) {
  std::array<char, 4096> ignored;
  while (size > 0) {
    const size_t count = reader_.read(ignored.data(), static_cast<size_t>(std::min<int64_t>(size, ignored.size())));
    if (count == 0) fail_at_byte(reader_.path(), position_, "the archive ends early");
    size -= static_cast<int64_t>(count);
    position_ += static_cast<int64_t>(count);
  }
}

std::optional<TarEntry> TarReader::next(std::span<const std::string_view> endings) {
  std::string long_name;
  Block block;
  while (read_block(block.data())) {
    if (std::all_of(block.begin(), block.end(), [](char c) { return c == 0; })) return std::nullopt;
    const int64_t header = position_ - block_size;
    if (octal(field(block, 148, 8)) != checksum(block)) {
      fail_at_byte(reader_.path(), header, "{}", header == 0 ? "not a tar archive" : "the archive's header is broken");
    }
    const int64_t size = octal(field(block, 124, 12));
    if (size < 0) fail_at_byte(reader_.path(), header + 124, "a size that is no octal number");
    const char kind = block[156];
    if (kind == 'L' || kind == 'x') {
      if (size > most_name) fail_at_byte(reader_.path(), header, "a name of {} bytes", size);
      const std::string content = read_content(size, "a long name");
      const std::string name = kind == 'L' ? content.substr(0, content.find('\0')) : pax_path(content);
      if (!name.empty()) long_name = name;
      continue;
    }
    std::string name = std::move(long_name);
    long_name.clear();
    if (name.empty()) {
      const std::string_view prefix = field(block, 257, 5) == "ustar" ? field(block, 345, 155) : "";
      name = prefix.empty() ? "" : std::string(prefix) + '/';
      name += field(block, 0, 100);
    }
    if ((kind != '0' && kind != 0) || (!endings.empty() && !ends_in(name, endings))) {
      skip(size + padding(size));
      continue;
    }
    if (size > most_content) {
      fail_at_byte(reader_.path(), header + 124, "{} has {} bytes; up to {} can be read", in_quotes(name), size,
                   most_content);
    }
    // Its name may become that of a class, and is written into JSON.
    if (find_invalid_utf8(name) != std::string::npos) {
      fail_at_byte(reader_.path(), header, "the name {} is not UTF-8", in_quotes(replace_invalid_utf8(name)));
    }
    std::string content = read_content(size, name.c_str());
    return TarEntry{std::move(name), std::move(content)};
  }
  return std::nullopt;
}

}  // namespace fovea::data
