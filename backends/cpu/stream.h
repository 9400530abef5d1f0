#pragma once

#include <cstdint>

namespace fovea::cpu {

/// Results that outgrow the second-level caches are written past all of them: otherwise a line is read first, from memory,
/// only to be overwritten whole. Smaller ones stay where whoever reads them next finds them.
inline constexpr int64_t least_streamed_bytes = 8 << 20;

/// Whether memory begins and goes on by whole lines of the caches.
inline bool is_in_lines(const void* first, int64_t stride_bytes) {
  return reinterpret_cast<uintptr_t>(first) % 64 == 0 && stride_bytes % 64 == 0;
}

/// Writes `count` lines of 64 bytes from `lines`, which begin on a line, to places `stride` bytes apart that do.
/// hwy::FlushStream() makes them visible to other threads.
void stream_lines(const void* lines, int64_t count, void* to, int64_t stride);

/// memmove() for rows that lie in lines in other ways, which takes that a third longer; they do not overlap.
void copy_shifted(const void* from, void* to, int64_t bytes);

}  // namespace fovea::cpu
