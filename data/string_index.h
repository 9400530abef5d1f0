#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::data {

/// A 64-bit hash of bytes, the same on every machine and in every version.
uint64_t hash_bytes(std::string_view bytes);

/// Distinct strings, numbered from 0 in the order in which they were first added. Holds them in one block: millions of
/// short strings cost little more than their bytes.
class StringIndex {
 public:
  static constexpr int32_t absent = -1;

  /// The number of `text`, a new one where it is not there yet.
  int32_t add(std::string_view text);
  /// Its number, or `absent`.
  int32_t find(std::string_view text) const;

  std::string_view operator[](int32_t number) const {
    const auto i = static_cast<size_t>(number);
    return std::string_view(characters_).substr(ends_[i], ends_[i + 1] - ends_[i]);
  }
  int32_t size() const { return static_cast<int32_t>(ends_.size() - 1); }

 private:
  struct Slot {
    uint32_t tag = 0;  // upper bits of the hash: most misses end here
    int32_t number = absent;
  };

  size_t slot_of(std::string_view text, uint64_t hash) const;
  void grow();

  std::string characters_;
  std::vector<size_t> ends_{0};
  std::vector<Slot> slots_ = std::vector<Slot>(64);  // open addressing; its size is a power of two
};

}  // namespace fovea::data
