#include "table.h"

using namespace fovea;

// The first byte chooses how the rest is read.
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const data::TableOptions options{.format = data[0] & 1 ? data::TableFormat::tsv : data::TableFormat::csv,
                                   .header = (data[0] & 2) == 0,
                                   .skip_lines = data[0] >> 2 & 3};
  return fuzz::read_table(fuzz::text_of(data, size).substr(1), options);
}
