#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/table.h"
#include "fovea/data/text_window.h"

namespace fovea::data {

/// Records of fields between `delimiter`s, quoted as RFC 4180 says. Fields are views on the file's window: quotes that
/// were doubled are undone in place, nothing is copied.
class CsvReader final : public TableReader {
 public:
  CsvReader(const std::string& path, char delimiter, const TableOptions& options = {});

  bool next(Row& row) override;
  int64_t position() const override { return window_.reader().position(); }
  int64_t size() const override { return window_.reader().size(); }

 private:
  struct Field {
    size_t begin;
    size_t end;  // offsets in the window: it may move while a record is being read
  };

  bool read_record();
  void skip_lines(int64_t count);
  void skip_blank_lines();
  size_t read_plain(size_t position);
  size_t read_quoted(size_t position);
  bool extend(int64_t line);
  bool at_end(size_t position) { return position >= window_.size() && !extend(line_ + breaks_); }
  void check_record() const;
  std::string_view text(Field field) const { return {base_ + field.begin, field.end - field.begin}; }

  TextWindow window_;
  char delimiter_;
  std::array<bool, 256> ends_plain_{};  // the bytes at which a scan of an unquoted field stops
  const char* base_ = nullptr;          // the record's bytes, once it is whole
  std::vector<Field> fields_;
  std::vector<std::string_view> row_;
  size_t taken_ = 0;        // bytes of the last record
  int64_t line_ = 1;        // where the record begins
  int64_t breaks_ = 0;      // line breaks inside and behind it
  bool held_back_ = false;  // the first record was read for its width and is still to be handed out
};

}  // namespace fovea::data
