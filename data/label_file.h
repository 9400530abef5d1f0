#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/data/example_source.h"
#include "fovea/data/label_places.h"
#include "fovea/data/table.h"

// Labels of pictures and recordings that stand in a file of their own.
namespace fovea::data {

/// Which file that is and how it is written: a table with a row for each file of examples or, for pictures in an array, an
/// array of labels.
struct LabelFile {
  std::string path = {};  // empty: none; folders, names or a file beside tell the labels
  std::string file = {};  // column of the files' names, by name or position from 0; empty: the one of that name (file,
                          // file_name, filename, path), else the first that is not the label
  std::string label =
      {};  // column of the labels; empty: the one of that name (label, labels), else the first other one
  TableOptions table = {};
  bool several_labels = false;  // as that of TextColumns; an array then has a row of 0 and 1 for each picture
  std::vector<std::string> label_columns = {};  // as that of TextColumns; an array has none
};

/// Throws DataError where a source's files may have several labels and no file tells them: a folder or a name tells one.
void refuse_lone_labels(const LabelFile& from, const std::string& source);

/// Where labels stand in such a table, one for each example; empty where they were told otherwise.
struct LabelRows {
  std::string path = {};
  std::vector<int64_t> lines = {};
  std::vector<std::string> columns = {};  // the names of those that were read: the files', the labels'
};

/// The labels of a source's `chosen` files, of all the files' `names` in it; both are paths from there. A row may name its
/// file from the source's folder, or from that of the table, so that one table can tell of several sources: what it tells of
/// other files that exist takes no part. Writes where they stand to `rows`. Throws DataError with file and line: a malformed
/// table, a file that does not exist, a second row of one, an empty label; and where a chosen file has no row.
std::vector<std::string> load_file_labels(const LabelFile& from, const ExampleSource& source,
                                          const std::vector<std::string>& names, const std::vector<std::string>& chosen,
                                          LabelRows& rows);

/// Where the labels of a set of pictures or recordings stand.
template <class Dataset>
LabelPlaces label_places(const Dataset& set) {
  if (set.label_rows.lines.empty()) return set.names;
  return {set.label_rows.path, set.label_rows.lines};
}

}  // namespace fovea::data
