#pragma once

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "fovea/backends/error.h"

// What the fuzz targets share: each reads any bytes as one kind of file. They are read, or refused by a DataError of one
// line; whatever else happens is a finding.
namespace fovea::fuzz {

/// A file in memory that holds one input.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("input", 0)) {
    if (fd_ < 0) abort();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(fd_); }

  void hold(std::string_view bytes) const {
    if (ftruncate(fd_, 0) != 0) abort();
    if (pwrite(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) abort();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// Runs `read`; returns what libFuzzer expects of a target.
template <class Read>
int attempt(Read read) {
  try {
    read();
  } catch (const DataError& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.find('\n') != std::string_view::npos) {
      std::fprintf(stderr, "the error is not one line: \"%s\"\n", error.what());
      abort();
    }
  }
  return 0;
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace fovea::fuzz

// libFuzzer calls it with each input.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
