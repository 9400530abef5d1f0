#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fovea/data/byte_reader.h"

namespace fovea::data {

/// A file of an archive.
struct TarEntry {
  std::string name;
  std::string content;
};

/// Reads a tar archive, also gzip, file by file: ustar, GNU's and pax's long names. What is no regular file (folders,
/// links) is passed over. Throws DataError with the byte where it is not that.
class TarReader {
 public:
  explicit TarReader(const std::string& path);

  /// The next file whose name ends in one of `endings` (in any case; without any: every file), none behind the last.
  std::optional<TarEntry> next(std::span<const std::string_view> endings = {});

 private:
  bool read_block(char* block);
  std::string read_content(int64_t size, const char* what);
  void skip(int64_t size);

  ByteReader reader_;
  int64_t position_ = 0;  // in the unpacked archive
};

}  // namespace fovea::data
