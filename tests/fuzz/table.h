#pragma once

#include "fovea/data/label_sets.h"
#include "fovea/data/table.h"
#include "fuzz.h"

namespace fovea::fuzz {

/// Reads every field of a table, those of the first column as labels where it may hold `lists` of them.
inline int read_table(std::string_view bytes, const data::TableOptions& options, bool lists = false) {
  static const MemoryFile file;
  file.hold(bytes);
  return attempt([&] {
    const auto table = data::open_table(file.path(), options);
    if (lists) table->allow_list(0);
    size_t bytes_read = 0;
    for (data::Row row; table->next(row);) {
      for (const std::string_view field : row.fields) bytes_read += field.size();
      if (lists) data::split_labels(row.fields[0], ",", {file.path(), std::span(&row.line, 1)}, 0);
    }
    // Fields are views on the file's window, of which each byte is in one field at most; JSON's escapes are shorter when
    // undone.
    if (!bytes.starts_with("\x1f\x8b") && bytes_read > bytes.size()) abort();
  });
}

}  // namespace fovea::fuzz
