#include "fovea/backends/cpu/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

constexpr size_t huge_page = size_t{2} << 20;
constexpr size_t region_bytes = size_t{1} << 30;

// At a multiple of the huge page, so that the kernel can back it with huge ones. Memory that is never written is not
// set aside (MAP_NORESERVE); null where the system refuses.
std::byte* map_region(size_t bytes) {
  const size_t reserved = bytes + huge_page;
  void* base = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  auto* first = static_cast<std::byte*>(base);
  const size_t skip = round_up(reinterpret_cast<uintptr_t>(first), huge_page) - reinterpret_cast<uintptr_t>(first);
  if (skip) munmap(first, skip);
  if (const size_t rest = reserved - skip - bytes) munmap(first + skip + bytes, rest);
#ifdef MADV_HUGEPAGE
  madvise(first + skip, bytes, MADV_HUGEPAGE);
#endif
  return first + skip;
}

}  // namespace

size_t Arena::page() {
  static const long bytes = sysconf(_SC_PAGESIZE);
  return bytes > 0 ? static_cast<size_t>(bytes) : 4096;
}

std::optional<Arena::Place> Arena::find(size_t bytes) {
  // Giving back must not fail: there is always room for a range for each piece, and for one that `trim` divides.
  if (const size_t room = free_.size() + taken_ + 3; free_.capacity() < room) free_.reserve(2 * room);
  for (bool retry : {false, true}) {
    size_t first = 0, length = 0, fresh = 0;
    for (size_t i = 0; i < free_.size(); ++i) {
      if (i == 0 || free_[i - 1].end() != free_[i].memory) {
        first = i;
        length = fresh = 0;
      }
      const size_t used = std::min(free_[i].bytes, bytes - length);
      length += used;
      if (!free_[i].kept) fresh += used;
      if (length == bytes) return Place{first, fresh};
    }
    if (retry || !reserve(bytes)) break;
  }
  return std::nullopt;
}

bool Arena::reserve(size_t bytes) {
  for (size_t wanted : {std::max(region_bytes, round_up(bytes, huge_page)), bytes}) {
    if (std::byte* memory = map_region(wanted)) {
      insert({memory, wanted, false});
      return true;
    }
  }
  return false;
}

std::byte* Arena::take(Place place, size_t bytes) {
  const auto first = free_.begin() + static_cast<std::ptrdiff_t>(place.first);
  std::byte* memory = first->memory;
  auto last = first;
  size_t left = bytes;
  while (left > 0 && last->bytes <= left) left -= (last++)->bytes;
  if (left > 0) {
    last->memory += left;
    last->bytes -= left;
  }
  free_.erase(first, last);
  kept_ -= bytes - place.fresh;
  ++taken_;
  return memory;
}

void Arena::give(std::byte* memory, size_t bytes) noexcept {
  insert({memory, bytes, true});
  kept_ += bytes;
  --taken_;
}

void Arena::insert(Range range) noexcept {
  auto after = std::lower_bound(free_.begin(), free_.end(), range,
                                [](const Range& a, const Range& b) { return a.memory < b.memory; });
  const bool joins_after = after != free_.end() && after->kept == range.kept && range.end() == after->memory;
  const auto before = after == free_.begin() ? free_.end() : after - 1;
  const bool joins_before = before != free_.end() && before->kept == range.kept && before->end() == range.memory;
  if (joins_before) {
    before->bytes += range.bytes;
    if (!joins_after) return;
    before->bytes += after->bytes;
    free_.erase(after);
  } else if (joins_after) {
    after->memory = range.memory;
    after->bytes += range.bytes;
  } else {
    free_.insert(after, range);
  }
}

size_t Arena::trim(size_t most) noexcept {
  const size_t before = kept_;
  for (size_t i = free_.size(); i-- > 0 && kept_ > most;) {
    Range& range = free_[i];
    if (!range.kept) continue;
    const bool divide = free_.size() + taken_ < free_.capacity();
    Range part = range;
    part.kept = false;
    if (divide) part.bytes = std::min(range.bytes, round_up(kept_ - most, page()));
    part.memory = range.end() - part.bytes;
    madvise(part.memory, part.bytes, MADV_DONTNEED);
    kept_ -= part.bytes;
    range.bytes -= part.bytes;
    if (range.bytes == 0) free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
    insert(part);
  }
  return before - kept_;
}

}  // namespace fovea::cpu
