#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace fovea::data {

/// An open file descriptor, closed when it goes out of scope.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  int get() const { return fd_; }
  /// Closes now and returns what close(2) says: errno, or 0.
  int close();

 private:
  int fd_ = -1;
};

/// Opens a file to read. Throws DataError where it is missing, unreadable or a directory.
FileDescriptor open_to_read(const std::string& path);

/// Collects bytes and writes them in large pieces. Throws DataError that names the file and says why.
class FileWriter {
 public:
  FileWriter(std::string path, int fd);

  void write(std::string_view bytes);
  void write(const void* bytes, size_t count) { write({static_cast<const char*>(bytes), count}); }
  /// Hands what was collected to the system.
  void flush();

 private:
  void write_through(const char* bytes, size_t count);

  std::string path_;  // the name for messages
  int fd_;
  std::string buffer_;
};

/// Writes a file such that `path` holds either what it held before or all of what `content` wrote, even if the power
/// goes: a temporary file beside it is written, synchronised, then renamed. What `content` throws, and DataError where
/// the disk is full or the folder cannot be written, leaves nothing behind.
void write_atomically(const std::string& path, const std::function<void(FileWriter&)>& content);
void write_atomically(const std::string& path, std::string_view content);

/// A name beside `path` for what is to take its place once it is whole; no other process or thread is given it.
std::string temporary_name(const std::string& path);
/// Removes from a folder what stands there under such names of processes that are no more.
void remove_abandoned(const std::string& folder);

/// The whole of a small file. Throws DataError where it cannot be read or is longer than `limit` bytes.
std::string read_file(const std::string& path, size_t limit = size_t{1} << 30);

/// A file's bytes, mapped read-only; pages are read when they are touched. A file that another program shortens
/// meanwhile ends the process with SIGBUS, as with every mapping: files are to be replaced, not overwritten.
class MappedFile {
 public:
  /// Throws DataError as open_to_read does, and where the file is not a regular one.
  explicit MappedFile(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fovea::data
