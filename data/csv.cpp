#include "fovea/data/csv.h"

#include <algorithm>
#include <cstring>

#include "fovea/data/file_error.h"
#include "fovea/data/utf8.h"

namespace fovea::data {

CsvReader::CsvReader(const std::string& path, char delimiter, const TableOptions& options)
    : TableReader(path), window_(path), delimiter_(delimiter) {
  for (const char c : {delimiter, '\n', '\r'}) ends_plain_[static_cast<unsigned char>(c)] = true;
  if (delimiter != '\t') ends_plain_['"'] = true;
  skip_lines(options.skip_lines);
  if (!read_record()) {
    if (options.skip_lines > 0) fail(path, "nothing follows the {} skipped lines", options.skip_lines);
    fail(path, "the file is empty");
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < fields_.size(); ++i) {
    names.push_back(options.header ? std::string(trimmed(text(fields_[i]))) : std::to_string(i));
  }
  set_columns(std::move(names));
  held_back_ = !options.header;
}

bool CsvReader::next(Row& row) {
  if (held_back_) {
    held_back_ = false;
  } else if (!read_record()) {
    return false;
  }
  const size_t expected = columns().size();
  if (fields_.size() != expected) {
    fail_at(path(), line_, "{} column{}, expected {}", fields_.size(), fields_.size() == 1 ? "" : "s", expected);
  }
  row_.clear();
  for (const size_t column : selected()) row_.push_back(text(fields_[column]));
  row = {row_, line_};
  return true;
}

bool CsvReader::read_record() {
  window_.consume(taken_);
  line_ += breaks_;
  taken_ = 0;
  breaks_ = 0;
  fields_.clear();
  skip_blank_lines();
  if (at_end(0)) return false;

  size_t position = 0;
  while (true) {
    const bool quoted = !at_end(position) && window_.data()[position] == '"';
    position = quoted ? read_quoted(position) : read_plain(position);
    if (at_end(position)) break;
    const char c = window_.data()[position++];
    if (c == delimiter_) continue;
    if (c == '\r') {
      if (at_end(position) || window_.data()[position] != '\n') {
        fail_at(path(), line_ + breaks_, "a carriage return without a line feed in a field that is not quoted");
      }
      ++position;
    }
    ++breaks_;
    break;
  }
  taken_ = position;
  base_ = window_.data();
  check_record();
  return true;
}

void CsvReader::skip_lines(int64_t count) {
  for (; count > 0 && !at_end(0); --count) {
    // Given up as they come: such a line may be of any length.
    bool ended = false;
    while (!ended && !at_end(0)) {
      const void* end = std::memchr(window_.data(), '\n', window_.size());
      ended = end != nullptr;
      window_.consume(ended ? static_cast<size_t>(static_cast<const char*>(end) - window_.data()) + 1 : window_.size());
    }
    ++line_;
  }
}

void CsvReader::skip_blank_lines() {
  while (!at_end(0)) {
    if (window_.data()[0] == '\n') {
      window_.consume(1);
    } else if (window_.data()[0] == '\r' && !at_end(1) && window_.data()[1] == '\n') {
      window_.consume(2);
    } else {
      return;
    }
    ++line_;
  }
}

/// Reads a field that is not quoted, from `position` up to the byte that ends it, which it returns.
size_t CsvReader::read_plain(size_t position) {
  const size_t begin = position;
  do {
    const char* data = window_.data();
    const size_t size = window_.size();
    while (position < size && !ends_plain_[static_cast<unsigned char>(data[position])]) ++position;
  } while (position == window_.size() && extend(line_ + breaks_));
  if (position < window_.size() && window_.data()[position] == '"') {
    fail_at(path(), line_ + breaks_, "a quote inside a field that is not quoted");
  }
  fields_.push_back({begin, position});
  return position;
}

/// Reads the field whose opening quote stands at `position` and returns where it ended: behind the closing quote.
size_t CsvReader::read_quoted(size_t position) {
  const int64_t opened = line_ + breaks_;
  const size_t begin = ++position;
  size_t out = begin;      // where the field's next bytes go
  size_t pending = begin;  // the first byte that has not gone there
  const auto keep_up_to = [&](size_t end) {
    if (out != pending) std::memmove(window_.data() + out, window_.data() + pending, end - pending);
    out += end - pending;
  };
  while (true) {
    const void* quote = std::memchr(window_.data() + position, '"', window_.size() - position);
    if (!quote) {
      position = window_.size();
      if (!extend(opened)) fail_at(path(), opened, "a quote opens here and is never closed");
      continue;
    }
    position = static_cast<size_t>(static_cast<const char*>(quote) - window_.data());
    if (at_end(position + 1) || window_.data()[position + 1] != '"') break;
    keep_up_to(position + 1);
    position += 2;
    pending = position;
  }
  keep_up_to(position);
  ++position;
  fields_.push_back({begin, out});
  breaks_ += std::count(window_.data() + begin, window_.data() + out, '\n');

  if (!at_end(position)) {
    const char c = window_.data()[position];
    if (c != delimiter_ && c != '\n' && c != '\r') {
      if (opened == line_ + breaks_) fail_at(path(), opened, "text behind a closing quote");
      fail_at(path(), opened, "a quote opens here and is closed on line {}, where text follows it", line_ + breaks_);
    }
  }
  return position;
}

/// Reads more of the record, which goes on in `line`; false at the end of the file.
bool CsvReader::extend(int64_t line) {
  if (window_.too_long()) {
    fail_at(path(), line, "the record that goes on here is longer than {} MiB", TextWindow::longest_record >> 20);
  }
  return window_.extend();
}

void CsvReader::check_record() const {
  const std::string_view record(base_, taken_);
  if (is_ascii(record) && !std::memchr(base_, 0, taken_)) return;
  int64_t line = line_;
  for (const Field field : fields_) {
    check_text(path(), line, text(field));
    line += std::count(base_ + field.begin, base_ + field.end, '\n');
  }
}

}  // namespace fovea::data
