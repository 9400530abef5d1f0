#include "fovea/data/tar.h"

#include "fuzz.h"

using namespace fovea;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::MemoryFile file;
  file.hold(fuzz::text_of(data, size));
  return fuzz::attempt([] {
    data::TarReader archive(file.path());
    while (archive.next()) continue;
  });
}
