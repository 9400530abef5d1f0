#include <cstdint>
#include <vector>

#include "fovea/data/bpe.h"

#include "fuzz.h"

using namespace fovea;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::MemoryFile file;
  file.hold(fuzz::text_of(data, size));
  return fuzz::attempt([] {
    const auto tokenizer = data::BpeTokenizer::load(file.path());
    const std::vector<int32_t> ids = tokenizer.encode("Der Fuchs, caf\u00e9: \U0001f98a \t 12345");
    tokenizer.decode(ids);
  });
}
