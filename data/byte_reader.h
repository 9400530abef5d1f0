#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace fovea::data {

/// A file's bytes from the first to the last, in pieces. A file that begins as gzip data does is unpacked on the way,
/// whatever its name; several gzip members behind one another count as one, as gzip(1) has it. Also reads pipes.
class ByteReader {
 public:
  /// Throws DataError where the file is missing, unreadable or a directory.
  explicit ByteReader(const std::string& path);
  ByteReader(ByteReader&&) noexcept;
  ByteReader& operator=(ByteReader&&) noexcept;
  ~ByteReader();

  /// Stores up to `capacity` (> 0) bytes and returns how many; 0 only at the end. Throws DataError where reading
  /// fails, and with the byte of the file where gzip data is broken or ends early.
  size_t read(char* out, size_t capacity);

  const std::string& path() const;
  /// How many bytes of the file itself (packed, where it is packed) have been read.
  int64_t position() const;
  /// The file's size, or 0 where it has none (a pipe): what a progress bar needs.
  int64_t size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The whole of a file, unpacked where it is gzip. Throws DataError, also where that is more than `limit` bytes.
std::string read_unpacked(const std::string& path, size_t limit);

}  // namespace fovea::data
