#include "fovea/data/image_file.h"

#include "fuzz.h"

using namespace fovea;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::attempt([=] { data::decode_png(fuzz::text_of(data, size), "input"); });
}
