#include "table.h"

using namespace fovea;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const data::TableOptions options{.format = data::TableFormat::jsonl};
  fuzz::read_table(fuzz::text_of(data, size), options);
  return fuzz::read_table(fuzz::text_of(data, size), options, true);
}
