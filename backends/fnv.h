#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fovea {

/// FNV-1a, 64 bits: tells contents apart that nobody forges.
class Fnv {
 public:
  /// A byte, or a word where all are.
  constexpr Fnv& add(uint64_t byte) {
    hash_ = (hash_ ^ byte) * 1099511628211ull;
    return *this;
  }
  constexpr Fnv& add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) add(static_cast<uint64_t>(byte));
    return *this;
  }
  constexpr uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 14695981039346656037ull;
};

}  // namespace fovea
