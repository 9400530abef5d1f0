#include "fovea/data/wav.h"

#include "fuzz.h"

using namespace fovea;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::attempt([=] { data::parse_wav(fuzz::text_of(data, size), "input"); });
}
