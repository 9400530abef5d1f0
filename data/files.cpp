#include "fovea/data/files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <utility>
#include <vector>

#include "fovea/data/file_error.h"

namespace fovea::data {

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() { close(); }

int FileDescriptor::close() {
  const int fd = std::exchange(fd_, -1);
  return fd < 0 || ::close(fd) == 0 ? 0 : errno;
}

FileDescriptor open_to_read(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) fail(path, "no such file");
    fail_system(path, "cannot open", errno);
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) fail_system(path, "cannot open", errno);
  if (S_ISDIR(status.st_mode)) fail(path, "is a directory, expected a file");
  return file;
}

FileWriter::FileWriter(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

void FileWriter::write(std::string_view bytes) {
  constexpr size_t piece = size_t{1} << 18;
  if (buffer_.size() + bytes.size() <= piece) {
    buffer_ += bytes;
    return;
  }
  flush();
  if (bytes.size() < piece) {
    buffer_ = bytes;
  } else {
    write_through(bytes.data(), bytes.size());
  }
}

void FileWriter::flush() {
  write_through(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void FileWriter::write_through(const char* bytes, size_t count) {
  while (count > 0) {
    const ssize_t written = ::write(fd_, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_system(path_, "cannot write", errno);
    bytes += written;
    count -= static_cast<size_t>(written);
  }
}

namespace {

// Behind it stand the process and a number. A user's own files are not called so.
constexpr std::string_view temporary_mark = ".fovea-tmp-";

bool is_abandoned(const std::string& name) {
  const size_t at = name.find(temporary_mark);
  if (at == std::string::npos) return false;
  pid_t process = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + at + temporary_mark.size(), end, process);
  return error == std::errc() && rest != end && *rest == '-' && kill(process, 0) != 0 && errno == ESRCH;
}

/// A new file beside `path`; removed unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path) : target_(path) {
    do {
      name_ = temporary_name(path);
      file_ = FileDescriptor(::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    } while (file_.get() < 0 && errno == EEXIST);
    if (file_.get() < 0) {
      const int code = errno;
      name_.clear();
      fail_system(path, "cannot write", code);
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  int fd() const { return file_.get(); }

  void become_target() {
    if (fsync(file_.get()) != 0) fail_system(target_, "cannot write", errno);
    if (const int code = file_.close()) fail_system(target_, "cannot write", code);
    if (::rename(name_.c_str(), target_.c_str()) != 0) fail_system(target_, "cannot write", errno);
    name_.clear();
    // The rename itself lasts once the folder is synchronised; some file systems cannot, and then it is as it is.
    const size_t slash = target_.find_last_of('/');
    const std::string folder = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
    const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() >= 0) fsync(directory.get());
  }

 private:
  std::string target_;
  std::string name_;
  FileDescriptor file_;
};

}  // namespace

std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return fmt::format("{}{}{}-{}", path, temporary_mark, getpid(), counter++);
}

void remove_abandoned(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> abandoned;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (is_abandoned(entry.path().filename())) abandoned.push_back(entry.path());
  }
  for (const auto& path : abandoned) std::filesystem::remove_all(path, error);
}

void write_atomically(const std::string& path, const std::function<void(FileWriter&)>& content) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    fail(path, "cannot write: is {}", S_ISDIR(status.st_mode) ? "a directory" : "not a regular file");
  }
  TemporaryFile file(path);
  FileWriter writer(path, file.fd());
  content(writer);
  writer.flush();
  file.become_target();
}

void write_atomically(const std::string& path, std::string_view content) {
  write_atomically(path, [content](FileWriter& out) { out.write(content); });
}

std::string read_file(const std::string& path, size_t limit) {
  const FileDescriptor file = open_to_read(path);
  std::string content;
  size_t size = 0;
  while (true) {
    content.resize(size + (size_t{1} << 16) + size / 2);
    const ssize_t count = ::read(file.get(), content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_system(path, "cannot read", errno);
    if (count == 0) break;
    size += static_cast<size_t>(count);
    if (size > limit) fail(path, "is longer than {} bytes", limit);
  }
  content.resize(size);
  return content;
}

MappedFile::MappedFile(const std::string& path) {
  const FileDescriptor file = open_to_read(path);
  struct stat status;
  if (fstat(file.get(), &status) != 0) fail_system(path, "cannot open", errno);
  if (!S_ISREG(status.st_mode)) fail(path, "is not a regular file");
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) fail_system(path, "cannot map", errno);
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace fovea::data
