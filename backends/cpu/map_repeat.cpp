#include "fovea/backends/cpu/map_repeat.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/odometer.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

constexpr int64_t most_times = 16;  // more are filled row by row as fast

/// out [outer axes..., again, width, times], all without gaps, of source with strides [..., 0, step, 0].
struct Repeats {
  Odometer<1> outer;  // with offsets in the source
  int64_t again = 1, width = 1, step = 1, times = 1;
};

// Times that the compiler knows become vectors.
template <class F>
void visit_times(int64_t times, F f) {
  if (times == 2) return f(std::integral_constant<int64_t, 2>{});
  if (times == 3) return f(std::integral_constant<int64_t, 3>{});
  if (times == 4) return f(std::integral_constant<int64_t, 4>{});
  f(times);
}

template <class T>
void repeat(const Repeats& r, const T* from, T* to) {
  const int64_t row = r.width * r.times, each = row * r.again;
  parallel_for(r.outer.positions(), 1 + (32768 - 1) / each, [&](int64_t begin, int64_t end) {
    Odometer<1> position = r.outer;
    position.go_to(begin);
    for (int64_t i = begin; i < end; ++i, position.next()) {
      const T* x = from + position.offset(0);
      T* y = to + i * each;
      visit_times(r.times, [&](auto times) {
        const auto spread = [&](auto step) {
          for (int64_t j = 0; j < r.width; ++j) {
            for (int64_t t = 0; t < times; ++t) y[j * times + t] = x[j * step];
          }
        };
        if (r.step == 1) return spread(std::integral_constant<int64_t, 1>{});
        spread(r.step);
      });
      for (int64_t k = 1; k < r.again; ++k) std::memcpy(y + k * row, y, static_cast<size_t>(row) * sizeof(T));
    }
  });
}

}  // namespace

bool copy_repeated(const View& source, const View& out) {
  if (!out.is_contiguous()) return false;
  Shape shape;
  Strides strides;
  const int missing = out.rank() - source.rank();
  for (int i = 0; i < out.rank(); ++i) {
    if (out.shape[i] == 1) continue;
    shape.push_back(out.shape[i]);
    strides.push_back(i < missing || source.shape[i - missing] == 1 ? 0 : source.strides[i - missing]);
  }
  const auto drop_last = [&](int64_t& size, int64_t& stride) {
    size = shape.back();
    stride = strides.back();
    shape.erase(shape.rank() - 1);
    strides.erase(strides.rank() - 1);
  };
  if (shape.rank() < 2 || strides.back() != 0 || shape.back() > most_times || strides[strides.rank() - 2] == 0)
    return false;
  Repeats r;
  int64_t none;
  drop_last(r.times, none);
  drop_last(r.width, r.step);
  if (shape.rank() > 0 && strides.back() == 0) drop_last(r.again, none);
  for (int axis = shape.rank() - 1; axis >= 0; --axis) r.outer.add(shape[axis], {strides[axis]});
  visit_word(size_of(out.dtype), [&]<class T>(T) { repeat(r, source.data<T>(), out.data<T>()); });
  return true;
}

}  // namespace fovea::cpu
