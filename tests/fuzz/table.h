#pragma once

#include "fovea/data/table.h"
#include "fuzz.h"

namespace fovea::fuzz {

/// Reads every field of a table.
inline int read_table(std::string_view bytes, const data::TableOptions& options) {
  static const MemoryFile file;
  file.hold(bytes);
  return attempt([&] {
    const auto table = data::open_table(file.path(), options);
    size_t bytes_read = 0;
    for (data::Row row; table->next(row);) {
      for (const std::string_view field : row.fields) bytes_read += field.size();
    }
    // Fields are views on the file's window, of which each byte is in one field at most; JSON's escapes are shorter when
    // undone.
    if (!bytes.starts_with("\x1f\x8b") && bytes_read > bytes.size()) abort();
  });
}

}  // namespace fovea::fuzz
