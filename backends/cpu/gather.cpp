#include <algorithm>
#include <cstring>
#include <type_traits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/index.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

constexpr int64_t chunk_bytes = 64 << 10;

template <class F>
void visit_number(const char* kernel, DType dtype, F f) {
  if (dtype == DType::i32) return f(int32_t{});
  visit_floating(kernel, dtype, f);
}

template <class T>
void add_to(T& to, T value, Compute<T> scale = 1) {
  if constexpr (sizeof(T) == 2) {
    to = T(static_cast<float>(to) + scale * static_cast<float>(value));
  } else if constexpr (std::is_same_v<T, int32_t>) {  // whole numbers wrap, and are not scaled
    to = static_cast<int32_t>(static_cast<uint32_t>(to) + static_cast<uint32_t>(value));
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
    return visit_word(size_of(call.source.dtype), [&]<class T>(T) {
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
  int64_t run = 1;                       // so many lanes lie evenly apart: those of the axis `along`
  int along = 0;

  Lanes(const Shape& shape, int axis) : length(shape[axis]) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (i == axis) continue;
      count *= shape[i];
      if (i > axis) inner *= shape[i];
      if (shape[i] == 1) continue;
      run = shape[i];
      along = i;
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

// The index of all lanes or, where they share one, of a lane.
struct LaneIndex {
  bool shared;
  DenseIndex values;

  LaneIndex(const char* name, const View& index, int axis, int64_t bound)
      : shared(is_shared(index, axis)), values(name, shared ? one_lane(index, axis) : index, bound) {}

 private:
  static bool is_shared(const View& index, int axis) {
    for (int i = 0; i < index.rank(); ++i) {
      if (i != axis && index.strides[i] != 0 && index.shape[i] != 1) return false;
    }
    return true;
  }
  static View one_lane(const View& index, int axis) {
    View lane = index;
    lane.shape = {index.shape[axis]};
    lane.strides = {index.strides[axis]};
    return lane;
  }
};

// n places in a row: of element k of `aligned`, which has the index's shape, of the start of its lane in `indexed`, and of
// its position in the index.
struct Places {
  int64_t aligned, indexed, index;
  int64_t aligned_step, indexed_step, index_step;
  int64_t n;
};

// Calls each(places) for all, lanes in parallel and a lane in order. Lanes side by side are walked together, in whole lines
// of the caches.
template <class Each>
void walk_lanes(const View& index, bool shared, int axis, const View& aligned, const View& indexed, Each each) {
  const Lanes lanes(index.shape, axis);
  const int64_t step = aligned.strides[axis];
  const int64_t least = lanes.inner == 1 ? 1 : 128;
  parallel_for(lanes.count, std::max(least, rows_per_chunk(lanes.length, 8192)), [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end;) {
      const int64_t here = std::min(end - lane, lanes.run - lane % lanes.run);
      Places places{Lanes::offset(lane, index.shape, axis, aligned.strides),
                    Lanes::offset(lane, index.shape, axis, indexed.strides),
                    shared ? 0 : lanes.index_start(lane),
                    step,
                    0,
                    1,
                    lanes.length};
      lane += here;
      const int64_t aligned_apart = aligned.strides[lanes.along], indexed_apart = indexed.strides[lanes.along];
      if (lanes.inner == 1 && lanes.length >= here) {
        for (int64_t l = 0; l < here; ++l) {
          each(places);
          places.aligned += aligned_apart;
          places.indexed += indexed_apart;
          places.index += shared ? 0 : lanes.length;
        }
        continue;
      }
      places.aligned_step = aligned_apart;
      places.indexed_step = indexed_apart;
      places.index_step = shared ? 0 : lanes.inner == 1 ? lanes.length : 1;
      places.n = here;
      for (int64_t i = 0; i < lanes.length; ++i) {
        each(places);
        places.aligned += step;
        places.index += shared ? 1 : lanes.inner;
      }
    }
  });
}

// Steps of one are known to the compiler.
template <class F>
void visit_steps(const Places& p, int64_t axis_step, F f) {
  using One = std::integral_constant<int64_t, 1>;
  using None = std::integral_constant<int64_t, 0>;
  if (p.aligned_step == 1 && p.index_step == 1) {
    if (p.indexed_step == 0 && axis_step == 1) return f(One{}, None{}, One{}, One{});
    if (p.indexed_step == 1) return f(One{}, One{}, One{}, axis_step);
  }
  if (p.aligned_step == 1 && p.indexed_step == 1 && p.index_step == 0) return f(One{}, One{}, None{}, axis_step);
  f(p.aligned_step, p.indexed_step, p.index_step, axis_step);
}

}  // namespace

void gather(const GatherCall& call) {
  if (call.index.numel() == 0) return;
  if (call.rows) return gather_rows(call);
  const LaneIndex index(call.name, call.index, call.axis, call.source.shape[call.axis]);
  visit_word(size_of(call.source.dtype), [&]<class T>(T) {
    const T* from = call.source.data<T>();
    T* to = call.out.data<T>();
    walk_lanes(call.index, index.shared, call.axis, call.out, call.source, [&](const Places& p) {
      visit_steps(p, call.source.strides[call.axis], [&](auto aligned, auto indexed, auto next, auto step) {
        const T* __restrict x = from + p.indexed;
        const int32_t* __restrict at = index.values.begin() + p.index;
        T* __restrict y = to + p.aligned;
        for (int64_t k = 0; k < p.n; ++k) y[k * aligned] = x[k * indexed + int64_t{at[k * next]} * step];
      });
    });
  });
}

void scatter_add(const ScatterAddCall& call) {
  if (call.index.numel() == 0) return;
  visit_number("scatter_add", call.out.dtype, [&]<class T>(T) {
    if (call.rows) return scatter_rows<T>(call);
    const LaneIndex index(call.name, call.index, call.axis, call.out.shape[call.axis]);
    const T* from = call.source.data<T>();
    T* to = call.out.data<T>();
    walk_lanes(call.index, index.shared, call.axis, call.source, call.out, [&](const Places& p) {
      visit_steps(p, call.out.strides[call.axis], [&](auto aligned, auto indexed, auto next, auto step) {
        const T* __restrict x = from + p.aligned;
        const int32_t* __restrict at = index.values.begin() + p.index;
        T* __restrict y = to + p.indexed;
        for (int64_t k = 0; k < p.n; ++k) add_to(y[k * indexed + int64_t{at[k * next]} * step], x[k * aligned]);
      });
    });
  });
}

}  // namespace fovea::cpu
