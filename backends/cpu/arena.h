#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace fovea::cpu {

/// Memory of whole pages for large blocks. A request gets the lowest free place that is long enough, and neighbours that
/// are free are one place, so that what a training step takes and gives back in turn lies close together: first fit by
/// address (Wilson et al. 1995, "Dynamic storage allocation: a survey and critical review", section 3.5). Address space
/// comes from the system a GiB at a time; pages take memory once they are written. Callers hold a lock.
class Arena {
 public:
  static size_t page();  // bytes

  struct Place {
    size_t first;  // of the ranges that it begins with
    size_t fresh;  // bytes that take no memory yet
  };
  /// Where `bytes`, whole pages, fit; nothing where the system refuses.
  std::optional<Place> find(size_t bytes);
  /// The memory of the place that `find` just named, aligned to a page.
  std::byte* take(Place place, size_t bytes);
  void give(std::byte* memory, size_t bytes) noexcept;
  /// Gives free memory back to the system, the highest first, until no more than `most` bytes are kept. Returns how
  /// many were given.
  size_t trim(size_t most) noexcept;
  /// Free bytes that take memory.
  size_t kept() const { return kept_; }

 private:
  struct Range {
    std::byte* memory;
    size_t bytes;
    bool kept;  // else the system has not given it memory yet, or has it back

    std::byte* end() const { return memory + bytes; }
  };

  bool reserve(size_t bytes);
  void insert(Range range) noexcept;

  std::vector<Range> free_;  // by address; of two that touch one is kept and one is not
  size_t taken_ = 0;         // pieces in use
  size_t kept_ = 0;
};

}  // namespace fovea::cpu
