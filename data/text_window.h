#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "fovea/data/byte_reader.h"

namespace fovea::data {

/// The unread part of a text file that is in memory: a parser looks at it, asks for more behind it, and gives up what
/// it is done with. Memory is bound by the longest record, not by the file. A byte-order mark at the start is skipped.
class TextWindow {
 public:
  /// Records may be this long.
  static constexpr size_t longest_record = size_t{64} << 20;

  /// Throws DataError as ByteReader does, and where the file is empty or UTF-16.
  explicit TextWindow(const std::string& path);

  /// The unread bytes; valid, and may be changed in place, until the next call of extend.
  char* data() { return buffer_.get() + begin_; }
  size_t size() const { return end_ - begin_; }

  /// Reads more behind the unread bytes; false at the end of the file. How long those may become is for the caller to
  /// say: see too_long.
  bool extend();
  /// Gives up the first `count` unread bytes. They stay in place until the next call of extend.
  void consume(size_t count) { begin_ += count; }

  const ByteReader& reader() const { return reader_; }
  const std::string& path() const { return reader_.path(); }
  /// Whether the unread bytes are more than a record may have.
  bool too_long() const { return size() >= longest_record; }

 private:
  ByteReader reader_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

/// The lines of a text file, without their ends (\n or \r\n).
class LineReader {
 public:
  explicit LineReader(const std::string& path) : window_(path) {}

  /// The next line, valid until the next call; false at the end. Throws DataError where a line is not UTF-8, holds a
  /// NUL byte or is too long.
  bool next(std::string_view& line);
  /// The number of the last line, from 1.
  int64_t line_number() const { return line_; }
  /// Whether the last line ended in a line break, as all but perhaps the last line of a file do.
  bool ended() const { return ended_; }

  const std::string& path() const { return window_.path(); }
  const ByteReader& reader() const { return window_.reader(); }

 private:
  TextWindow window_;
  int64_t line_ = 0;
  size_t taken_ = 0;  // bytes of the last line, given up when the next one is asked for
  bool ended_ = true;
};

/// Makes \n of every \r\n, so that a model learns the same of files of every system.
void use_line_feeds(std::string& text);

/// Throws DataError with the line where `text`, whose first byte stands on line `line`, is not UTF-8 or has a NUL byte.
void check_text(const std::string& path, int64_t line, std::string_view text);

}  // namespace fovea::data
