#include "fovea/train/table_form.h"

#include "fovea/data/file_error.h"

namespace fovea::train {

void TableForm::declare(OptionTable& options) {
  options.add("no-header", &no_header, "the first line is an example, not the names of the columns");
  options.add("skip-lines", &skip_lines, "lines before the header, or before the first example",
              {.min = 0, .max = 1e9});
  options.add("delimiter", &delimiter, "what stands between columns: a character, or tab",
              {.placeholder = "CHARACTER", .default_text = "\",\" in .csv, tab in .tsv"});
}

data::TableOptions TableForm::options() const {
  data::TableOptions made{.header = !no_header, .skip_lines = skip_lines};
  if (delimiter.empty()) return made;
  const char character = delimiter == "tab" || delimiter == "\\t" ? '\t' : delimiter[0];
  if ((delimiter.size() > 1 && character != '\t') || !data::is_delimiter(character)) {
    refuse("--delimiter: {} is neither \"tab\" nor a character that can stand between columns",
           data::in_quotes(delimiter));
  }
  made.delimiter = character;
  return made;
}

std::string TableForm::with_lines(std::string note) const {
  std::string words = skip_lines > 0 ? fmt::format(" --skip-lines {}", skip_lines) : "";
  if (no_header) words += " --no-header";
  if (words.empty()) return note;
  return fmt::format("{}{}read with{}", note, note.empty() ? "" : "; ", words);
}

}  // namespace fovea::train
