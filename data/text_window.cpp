#include "fovea/data/text_window.h"

#include <algorithm>
#include <cstring>

#include "fovea/data/file_error.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

constexpr size_t first_capacity = size_t{1} << 18;

}  // namespace

TextWindow::TextWindow(const std::string& path)
    : reader_(path), buffer_(new char[first_capacity]), capacity_(first_capacity) {
  while (size() < 3 && extend()) {
  }
  if (size() == 0) fail(path, "the file is empty");
  const std::string_view start(data(), size());
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) {
    fail_at(path, 1, "the text is UTF-16, expected UTF-8");
  }
  if (start.starts_with("\xef\xbb\xbf")) consume(3);
}

bool TextWindow::extend() {
  if (begin_ > 0) {
    std::memmove(buffer_.get(), data(), size());
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == capacity_) {
    std::unique_ptr<char[]> larger(new char[capacity_ * 2]);
    std::memcpy(larger.get(), buffer_.get(), end_);
    buffer_ = std::move(larger);
    capacity_ *= 2;
  }
  const size_t count = reader_.read(buffer_.get() + end_, capacity_ - end_);
  end_ += count;
  return count > 0;
}

bool LineReader::next(std::string_view& line) {
  window_.consume(taken_);
  taken_ = 0;
  size_t searched = 0;
  const char* end;
  while (true) {
    end = static_cast<const char*>(std::memchr(window_.data() + searched, '\n', window_.size() - searched));
    if (end) break;
    searched = window_.size();
    if (window_.too_long()) {
      fail_at(path(), line_ + 1, "the line is longer than {} MiB", TextWindow::longest_record >> 20);
    }
    if (!window_.extend()) break;
  }
  if (!end && window_.size() == 0) return false;
  ++line_;
  ended_ = end != nullptr;
  size_t length = end ? static_cast<size_t>(end - window_.data()) : window_.size();
  taken_ = ended_ ? length + 1 : length;
  if (length > 0 && window_.data()[length - 1] == '\r') --length;
  line = {window_.data(), length};
  check_text(path(), line_, line);
  return true;
}

void use_line_feeds(std::string& text) {
  size_t end = text.find("\r\n");
  if (end == std::string::npos) return;
  for (size_t i = end; i < text.size(); ++i) {
    if (text.compare(i, 2, "\r\n") != 0) text[end++] = text[i];
  }
  text.resize(end);
}

void check_text(const std::string& path, int64_t line, std::string_view text) {
  const auto line_of = [&](size_t position) {
    return line + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(position), '\n');
  };
  if (const size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    fail_at(path, line_of(bad), "not UTF-8: byte 0x{:02x}", static_cast<unsigned char>(text[bad]));
  }
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) fail_at(path, line_of(nul), "a NUL byte");
}

}  // namespace fovea::data
