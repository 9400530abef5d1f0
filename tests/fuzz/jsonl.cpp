#include "table.h"

using namespace fovea;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::read_table(fuzz::text_of(data, size), {.format = data::TableFormat::jsonl});
}
