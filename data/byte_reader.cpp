#include "fovea/data/byte_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include "fovea/data/file_error.h"
#include "fovea/data/files.h"

namespace fovea::data {
namespace {

constexpr size_t packed_piece = size_t{1} << 16;

/// zlib's state for one gzip member after another.
class Inflater {
 public:
  Inflater() {
    constexpr int gzip_with_largest_window = 16 + MAX_WBITS;
    if (inflateInit2(&stream, gzip_with_largest_window) != Z_OK) throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }

  z_stream stream{};
};

}  // namespace

struct ByteReader::State {
  explicit State(const std::string& name) : path(name), file(open_to_read(name)) {
    struct stat status;
    if (fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode)) size = status.st_size;
    posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    pending.resize(packed_piece);
    while (available < 2 && fill() > 0) {
    }
    if (at_member()) inflater = std::make_unique<Inflater>();
  }

  size_t read_file(char* out, size_t capacity) {
    while (true) {
      const ssize_t count = ::read(file.get(), out, capacity);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_system(path, "cannot read", errno);
      position += count;
      return static_cast<size_t>(count);
    }
  }

  /// Reads more behind the bytes that wait in `pending`.
  size_t fill() {
    if (start > 0) {
      std::memmove(pending.data(), pending.data() + start, available);
      start = 0;
    }
    const size_t count = read_file(pending.data() + available, pending.size() - available);
    available += count;
    return count;
  }

  bool at_member() const {
    return available >= 2 && static_cast<unsigned char>(pending[start]) == 0x1f &&
           static_cast<unsigned char>(pending[start + 1]) == 0x8b;
  }

  /// The file's byte that is unpacked next.
  int64_t packed_position() const { return position - static_cast<int64_t>(available); }

  /// Behind a member: another one, padding with zeros, or the end.
  bool next_member() {
    while (true) {
      while (available < 2 && fill() > 0) {
      }
      if (at_member()) {
        inflateReset(&inflater->stream);
        return true;
      }
      if (available == 0) return false;
      if (pending[start] != 0) fail(path, "bytes that are not gzip data follow it, from byte {}", packed_position());
      ++start;
      --available;
    }
  }

  size_t unpack(char* out, size_t capacity) {
    z_stream& stream = inflater->stream;
    stream.next_out = reinterpret_cast<Bytef*>(out);
    stream.avail_out = static_cast<uInt>(std::min<size_t>(capacity, std::numeric_limits<uInt>::max()));
    const auto whole = stream.avail_out;
    while (stream.avail_out == whole) {
      if (member_ended) {
        if (!next_member()) return 0;
        member_ended = false;
      }
      if (available == 0 && fill() == 0) fail(path, "gzip data ends early, at byte {}", position);
      stream.next_in = reinterpret_cast<Bytef*>(pending.data() + start);
      stream.avail_in = static_cast<uInt>(available);
      const int result = inflate(&stream, Z_NO_FLUSH);
      start += available - stream.avail_in;
      available = stream.avail_in;
      if (result == Z_STREAM_END) {
        member_ended = true;
      } else if (result == Z_MEM_ERROR) {
        throw std::bad_alloc();
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        fail(path, "gzip data is broken at byte {}{}{}", packed_position(), stream.msg ? ": " : "",
             stream.msg ? stream.msg : "");
      }
    }
    return whole - stream.avail_out;
  }

  std::string path;
  FileDescriptor file;
  int64_t size = 0;
  int64_t position = 0;
  std::vector<char> pending;  // bytes of the file that were read and not yet handed out or unpacked
  size_t start = 0;
  size_t available = 0;
  std::unique_ptr<Inflater> inflater;  // none where the file is plain
  bool member_ended = false;
};

ByteReader::ByteReader(const std::string& path) : state_(std::make_unique<State>(path)) {}
ByteReader::ByteReader(ByteReader&&) noexcept = default;
ByteReader& ByteReader::operator=(ByteReader&&) noexcept = default;
ByteReader::~ByteReader() = default;

size_t ByteReader::read(char* out, size_t capacity) {
  State& state = *state_;
  if (state.inflater) return state.unpack(out, capacity);
  if (state.available == 0) return state.read_file(out, capacity);
  const size_t count = std::min(state.available, capacity);
  std::memcpy(out, state.pending.data() + state.start, count);
  state.start += count;
  state.available -= count;
  return count;
}

std::string read_unpacked(const std::string& path, size_t limit) {
  ByteReader reader(path);
  std::string content;
  size_t size = 0;
  while (true) {
    content.resize(size + packed_piece + size / 2);
    const size_t count = reader.read(content.data() + size, content.size() - size);
    if (count == 0) break;
    size += count;
    if (size > limit)
      fail(path, "is longer than {} bytes{}", limit, reader.size() < reader.position() ? " unpacked" : "");
  }
  content.resize(size);
  return content;
}

const std::string& ByteReader::path() const { return state_->path; }
int64_t ByteReader::position() const { return state_->position; }
int64_t ByteReader::size() const { return state_->size; }

}  // namespace fovea::data
