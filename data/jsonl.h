#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/table.h"
#include "fovea/data/text_window.h"

namespace fovea::data {

/// One JSON object a line; see TableReader for what a field may be.
class JsonlReader final : public TableReader {
 public:
  explicit JsonlReader(const std::string& path);
  ~JsonlReader() override;

  bool next(Row& row) override;
  int64_t position() const override { return lines_.reader().position(); }
  int64_t size() const override { return lines_.reader().size(); }

 private:
  class Fields;  // receives the parser's events

  bool next_line();
  void parse();
  void selection_changed() override;

  LineReader lines_;
  std::string_view line_;
  std::unique_ptr<Fields> fields_;
  std::vector<std::string_view> row_;
  bool held_back_ = false;  // the first line was read for its keys and is still to be handed out
};

}  // namespace fovea::data
