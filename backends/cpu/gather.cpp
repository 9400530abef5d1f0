#include <algorithm>
#include <cstring>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/index.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

constexpr int64_t chunk_bytes = 64 << 10;

// Calls f with an unsigned integer of the element's size: to move a value its type does not matter.
template <class F>
void visit_size(DType dtype, F f) {
  switch (size_of(dtype)) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

template <class F>
void visit_number(const char* kernel, DType dtype, F f) {
  if (dtype == DType::i32) return f(int32_t{});
  visit_floating(kernel, dtype, f);
}

template <class T>
void add_to(T& to, T value, Compute<T> scale = 1) {
  if constexpr (sizeof(T) == 2) {
    to = T(static_cast<float>(to) + scale * static_cast<float>(value));
  } else {
    to += scale * value;
  }
}

int64_t row_width(const View& table) {
  int64_t width = 1;
  for (int axis = 1; axis < table.rank(); ++axis) width *= table.shape[axis];
  return width;
}

void gather_rows(const GatherCall& call) {
  const DenseIndex index(call.name, call.index, call.source.shape[0]);
  const auto bytes = static_cast<int64_t>(size_of(call.source.dtype)), width = row_width(call.source) * bytes;
  const std::byte* from = call.source.buffer->host() + call.source.offset * bytes;
  std::byte* to = call.out.buffer->host() + call.out.offset * bytes;
  if (width == bytes) {
    // Single elements, for which a call of memcpy would take far longer than they do.
    return visit_size(call.source.dtype, [&]<class T>(T) {
      const T* x = call.source.data<T>();
      T* y = call.out.data<T>();
      parallel_for(index.size(), 16384, [&](int64_t begin, int64_t end) {
        for (int64_t j = begin; j < end; ++j) y[j] = x[index[j]];
      });
    });
  }
  parallel_for(index.size(), rows_per_chunk(width, chunk_bytes), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      if (j + rows_ahead < end) prefetch_row(from + index[j + rows_ahead] * width, std::min<int64_t>(width, 1024));
      std::memcpy(to + j * width, from + index[j] * width, static_cast<size_t>(width));
    }
  });
}

bool is_rising(const DenseIndex& index) {
  for (int64_t j = 1; j < index.size(); ++j) {
    if (index[j] < index[j - 1]) return false;
  }
  return true;
}

// Every row gets its additions in order of position, whichever way the work is split, and no two threads share a row:
// where the index rises, as that of a sparse gradient, threads take positions, else columns.
template <class T>
void scatter_rows(const ScatterAddCall& call) {
  const DenseIndex index(call.name, call.index, call.out.shape[0]);
  const int64_t width = row_width(call.out), count = index.size();
  const T* from = call.source.data<T>();
  T* to = call.out.data<T>();
  const auto scale = static_cast<Compute<T>>(call.scale);
  const auto add = [&](int64_t first, int64_t last, int64_t begin, int64_t end) {
    for (int64_t j = first; j < last; ++j) {
      if (j + rows_ahead < last) prefetch_row(to + index[j + rows_ahead] * width + begin, end - begin);
      if (index[j] == call.skip) continue;
      const T* x = from + j * width;
      T* y = to + index[j] * width;
      for (int64_t c = begin; c < end; ++c) add_to(y[c], x[c], scale);
    }
  };
  const bool small = count * width < (16 << 10);
  if (!small && is_rising(index)) {
    const auto begins_row = [&](int64_t j) {
      while (j > 0 && j < count && index[j] == index[j - 1]) ++j;
      return j;
    };
    parallel_for(count, rows_per_chunk(width),
                 [&](int64_t first, int64_t last) { add(begins_row(first), begins_row(last), 0, width); });
  } else {
    const int64_t columns = small ? std::max<int64_t>(width, 1) : std::max<int64_t>(32, width / 8);
    parallel_for(width, columns, [&](int64_t begin, int64_t end) { add(0, count, begin, end); });
  }
}

// The general form works on lanes: the positions of all axes but `axis`. A lane's elements lie `axis` strides apart.
struct Lanes {
  int64_t count = 1, length, inner = 1;  // index positions of a lane lie `inner` apart

  Lanes(const Shape& shape, int axis) : length(shape[axis]) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (i != axis) count *= shape[i];
      if (i > axis) inner *= shape[i];
    }
  }
  int64_t index_start(int64_t lane) const { return lane / inner * inner * length + lane % inner; }

  static int64_t offset(int64_t lane, const Shape& shape, int axis, const Strides& strides) {
    int64_t offset = 0;
    for (int i = shape.rank() - 1; i >= 0; --i) {
      if (i == axis) continue;
      offset += lane % shape[i] * strides[i];
      lane /= shape[i];
    }
    return offset;
  }
};

// Calls visit(aligned, indexed, p): the offset of an element of `aligned`, which has the index's shape, the start of
// its lane in `indexed`, and its position in the index. Lanes in parallel; a lane in order.
template <class Visit>
void walk_lanes(const View& index, int axis, const View& aligned, const View& indexed, Visit visit) {
  const Lanes lanes(index.shape, axis);
  parallel_for(lanes.count, rows_per_chunk(lanes.length, 8192), [&](int64_t begin, int64_t end) {
    const int64_t step = aligned.strides[axis];
    if (lanes.inner == 1) {
      for (int64_t lane = begin; lane < end; ++lane) {
        const int64_t a = Lanes::offset(lane, index.shape, axis, aligned.strides);
        const int64_t b = Lanes::offset(lane, index.shape, axis, indexed.strides), p = lanes.index_start(lane);
        for (int64_t i = 0; i < lanes.length; ++i) visit(a + i * step, b, p + i);
      }
      return;
    }
    const int64_t here = end - begin;
    const Scratch<int64_t> offsets(3 * here);
    for (int64_t l = 0; l < here; ++l) {
      offsets[3 * l] = Lanes::offset(begin + l, index.shape, axis, aligned.strides);
      offsets[3 * l + 1] = Lanes::offset(begin + l, index.shape, axis, indexed.strides);
      offsets[3 * l + 2] = lanes.index_start(begin + l);
    }
    for (int64_t i = 0; i < lanes.length; ++i) {
      for (int64_t l = 0; l < here; ++l)
        visit(offsets[3 * l] + i * step, offsets[3 * l + 1], offsets[3 * l + 2] + i * lanes.inner);
    }
  });
}

}  // namespace

void gather(const GatherCall& call) {
  if (call.index.numel() == 0) return;
  if (call.rows) return gather_rows(call);
  const DenseIndex index(call.name, call.index, call.source.shape[call.axis]);
  const int64_t step = call.source.strides[call.axis];
  visit_size(call.source.dtype, [&]<class T>(T) {
    const T* from = call.source.data<T>();
    T* to = call.out.data<T>();
    walk_lanes(call.index, call.axis, call.out, call.source,
               [&](int64_t out, int64_t source, int64_t p) { to[out] = from[source + index[p] * step]; });
  });
}

void scatter_add(const ScatterAddCall& call) {
  if (call.index.numel() == 0) return;
  visit_number("scatter_add", call.out.dtype, [&]<class T>(T) {
    if (call.rows) return scatter_rows<T>(call);
    const DenseIndex index(call.name, call.index, call.out.shape[call.axis]);
    const int64_t step = call.out.strides[call.axis];
    const T* from = call.source.data<T>();
    T* to = call.out.data<T>();
    walk_lanes(call.index, call.axis, call.source, call.out,
               [&](int64_t source, int64_t out, int64_t p) { add_to(to[out + index[p] * step], from[source]); });
  });
}

}  // namespace fovea::cpu
