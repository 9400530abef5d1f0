#include "fovea/backends/cpu/map_copy.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include <hwy/cache_control.h>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/insertion_sort.h"
#include "fovea/backends/cpu/map_repeat.h"
#include "fovea/backends/cpu/odometer.h"
#include "fovea/backends/cpu/stream.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

struct Axis {
  int64_t size, to, from;  // strides of out and source
};

/// The axes of a copy, those of `out` with the smallest strides last and neighbours merged where both sides allow.
struct Axes {
  Axis axis[max_rank];
  int count = 0;
  std::byte* to;
  const std::byte* from;

  Axes(const View& source, const View& out) {
    const auto bytes = static_cast<int64_t>(size_of(out.dtype));
    to = out.buffer->host() + out.offset * bytes;
    from = source.buffer->host() + source.offset * bytes;
    const int missing = out.rank() - source.rank();
    for (int i = 0; i < out.rank(); ++i) {
      if (out.shape[i] == 1) continue;
      const bool repeated = i < missing || source.shape[i - missing] == 1;
      Axis next{out.shape[i], out.strides[i], repeated ? 0 : source.strides[i - missing]};
      if (next.to < 0) {  // walk out forwards
        to += (next.size - 1) * next.to * bytes;
        from += (next.size - 1) * next.from * bytes;
        next.to = -next.to;
        next.from = -next.from;
      }
      axis[count++] = next;
    }
    insertion_sort(axis, axis + count, [](const Axis& a, const Axis& b) { return a.to > b.to; });
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      if (kept && axis[kept - 1].to == axis[i].size * axis[i].to &&
          axis[kept - 1].from == axis[i].size * axis[i].from) {
        axis[kept - 1] = {axis[kept - 1].size * axis[i].size, axis[i].to, axis[i].from};
      } else {
        axis[kept++] = axis[i];
      }
    }
    count = kept;
    if (count == 0) axis[count++] = {1, 1, 1};
  }

  Axis take(int which) {
    const Axis taken = axis[which];
    std::copy(axis + which + 1, axis + count, axis + which);
    --count;
    return taken;
  }

  /// Their positions, with the offsets in `out` and the source.
  Odometer<2> positions() const {
    Odometer<2> odometer;
    for (int i = count - 1; i >= 0; --i) odometer.add(axis[i].size, {axis[i].to, axis[i].from});
    return odometer;
  }
};

/// Elements of work worth a chunk of their own.
constexpr int64_t chunk = 32768;

/// Copies the first and the last Words of so few bytes that they are all.
template <class Words>
void copy_ends(const void* from, void* to, int64_t bytes) {
  Words first, last;
  const int64_t rest = bytes - static_cast<int64_t>(sizeof(Words));
  std::memcpy(&first, from, sizeof(Words));
  std::memcpy(&last, static_cast<const std::byte*>(from) + rest, sizeof(Words));
  std::memcpy(to, &first, sizeof(Words));
  std::memcpy(static_cast<std::byte*>(to) + rest, &last, sizeof(Words));
}

template <class T>
void copy_row(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t n) {
  if (to_stride == 1 && from_stride == 1) {
    const int64_t bytes = n * static_cast<int64_t>(sizeof(T));
    // A call would take longer than so few bytes.
    if (bytes >= 8 && bytes <= 16) return copy_ends<uint64_t>(from, to, bytes);
    if (bytes > 16 && bytes <= 32) return copy_ends<std::array<uint64_t, 2>>(from, to, bytes);
    if (bytes > 32 && bytes <= 64) return copy_ends<std::array<uint64_t, 4>>(from, to, bytes);
    const int64_t apart = reinterpret_cast<intptr_t>(to) - reinterpret_cast<intptr_t>(from);
    if (apart % 64 != 0 && bytes >= 1024 && std::abs(apart) >= bytes) return copy_shifted(from, to, bytes);
    std::memmove(to, from, static_cast<size_t>(bytes));
  } else if (to_stride == 1 && from_stride == 0) {
    std::fill_n(to, n, *from);
  } else if (to_stride == 1 && from_stride == -1) {
    std::reverse_copy(from - (n - 1), from + 1, to);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

template <class T>
void copy_rows(Axes axes) {
  const Axis row = axes.take(axes.count - 1);
  T* to = reinterpret_cast<T*>(axes.to);
  const T* from = reinterpret_cast<const T*>(axes.from);
  const Odometer<2> outer = axes.positions();
  const int64_t pieces = divide_up(row.size, chunk);
  parallel_for(outer.positions() * pieces, std::max<int64_t>(1, chunk / row.size), [&](int64_t begin, int64_t end) {
    Odometer<2> position = outer;
    position.go_to(begin / pieces);
    int64_t piece = begin % pieces;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = piece * chunk;
      copy_row(from + position.offset(1) + first * row.from, row.from, to + position.offset(0) + first * row.to, row.to,
               std::min(chunk, row.size - first));
      if (++piece < pieces) continue;
      piece = 0;
      position.next();
    }
  });
}

/// Whether every row of `out` lies in whole lines of the caches.
template <class T>
bool rows_of_lines(const Axes& axes, const Axis& down) {
  const auto lines = [&](const Axis& axis) { return is_in_lines(axes.to, axis.to * static_cast<int64_t>(sizeof(T))); };
  return lines(down) && std::all_of(axes.axis, axes.axis + axes.count, lines);
}

/// `down` is adjacent in the source, `across` in out. Squares of one cache line a side, a few below each other, are read
/// line by line into a buffer (rows a power of two apart would evict each other before all of a line is used), turned and
/// written.
template <class T>
void copy_transposed(Axes axes, Axis across, Axis down) {
  constexpr int64_t side = 64 / sizeof(T), squares = 4;
  T* to = reinterpret_cast<T*>(axes.to);
  const T* from = reinterpret_cast<const T*>(axes.from);
  constexpr int64_t tall = squares * side, length = chunk / tall;  // of a strip; a multiple of side
  const int64_t strips = divide_up(down.size, tall), pieces = divide_up(across.size, length);
  const int64_t grain = std::max<int64_t>(1, length / across.size);
  const Odometer<2> outer = axes.positions();
  const int64_t bytes = outer.positions() * across.size * down.size * static_cast<int64_t>(sizeof(T));
  const bool streamed = bytes >= least_streamed_bytes && rows_of_lines<T>(axes, down);
  parallel_for(outer.positions() * strips * pieces, grain, [&](int64_t begin, int64_t end) {
    Odometer<2> position = outer;
    alignas(64) T lines[side * tall], turned[side * side];
    if (across.size % side || down.size % side) std::memset(lines, 0, sizeof lines);
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t strip = piece / pieces, left = piece % pieces * length;
      const int64_t right = std::min(across.size, left + length);
      position.go_to(strip / strips);
      const int64_t first = strip % strips * tall, height = std::min(tall, down.size - first);
      for (int64_t i = left; i < right; i += side) {
        const int64_t width = std::min(side, right - i);
        const T* source = from + position.offset(1) + first + i * across.from;
        for (int64_t k = 0; k < width; ++k) {
          std::memcpy(lines + k * tall, source + k * across.from, static_cast<size_t>(height) * sizeof(T));
        }
        for (int64_t row = 0; row < height; row += side) {
          T* out = to + position.offset(0) + (first + row) * down.to + i;
          const int64_t rows = std::min(side, height - row);
          if (width == side && rows == side && !streamed) {
            transpose_square(lines + row, tall, out, down.to);
          } else {
            transpose_square(lines + row, tall, turned, side);
            if (width == side && streamed) {
              stream_lines(turned, rows, out, down.to * static_cast<int64_t>(sizeof(T)));
            } else {
              for (int64_t k = 0; k < rows; ++k) std::copy_n(turned + k * side, width, out + k * down.to);
            }
          }
        }
      }
    }
    if (streamed) hwy::FlushStream();
  });
}

template <class T>
void copy_words(Axes axes) {
  const int inner = axes.count - 1;
  constexpr int64_t least = 4;
  if (axes.axis[inner].to == 1 && std::abs(axes.axis[inner].from) > 1 && axes.axis[inner].size >= least) {
    for (int i = 0; i < inner; ++i) {
      if (axes.axis[i].from != 1 || axes.axis[i].size < least) continue;
      const Axis across = axes.take(inner), down = axes.take(i);
      return copy_transposed<T>(axes, across, down);
    }
  }
  copy_rows<T>(axes);
}

}  // namespace

void copy_elements(const View& source, const View& out) {
  if (copy_repeated(source, out)) return;
  const Axes axes(source, out);
  visit_word(size_of(out.dtype), [&]<class T>(T) { copy_words<T>(axes); });
}

}  // namespace fovea::cpu
