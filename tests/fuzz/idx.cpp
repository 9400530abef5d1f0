#include "fovea/data/idx.h"

#include "fuzz.h"

using namespace fovea;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::attempt([=] { data::parse_idx(fuzz::text_of(data, size), "input").to_tensor(); });
}
