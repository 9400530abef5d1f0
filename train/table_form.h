#pragma once

#include <cstdint>
#include <string>

#include "fovea/data/table.h"
#include "fovea/train/options.h"

namespace fovea::train {

/// What a command line says of how a table's file is written.
struct TableForm {
  bool no_header = false;
  int64_t skip_lines = 0;
  std::string delimiter = {};  // a character, or "tab"; empty: by the file's name

  void declare(OptionTable& options);
  /// Throws UsageError where the delimiter is none.
  data::TableOptions options() const;
  /// A note on how a file was read, and on lines that were not taken as usual, which a model keeps for its next files.
  std::string with_lines(std::string note) const;
};

}  // namespace fovea::train
