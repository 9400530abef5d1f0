#include <algorithm>
#include <bit>
#include <limits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

// Unsigned keys in the order of the values: NaN is the greatest, -0 equals 0.
uint32_t key(float x) {
  if (x != x) return std::numeric_limits<uint32_t>::max();
  const auto bits = std::bit_cast<uint32_t>(x == 0 ? 0.0f : x);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
uint64_t key(double x) {
  if (x != x) return std::numeric_limits<uint64_t>::max();
  const auto bits = std::bit_cast<uint64_t>(x == 0 ? 0.0 : x);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}
uint32_t key(Half x) { return key(static_cast<float>(x)); }
uint32_t key(BFloat16 x) { return key(static_cast<float>(x)); }
uint32_t key(int32_t x) { return static_cast<uint32_t>(x) ^ 0x80000000u; }
uint32_t key(bool x) { return x; }

// A key with its position behind it: ordering these is a stable sort of the keys.
uint64_t entry(uint32_t key, int64_t i) { return uint64_t{key} << 32 | static_cast<uint32_t>(i); }
int64_t position(uint64_t entry) { return static_cast<int64_t>(entry & 0xffffffffu); }

struct WideEntry {
  uint64_t key;
  int64_t i;
  friend bool operator<(const WideEntry& a, const WideEntry& b) { return a.key != b.key ? a.key < b.key : a.i < b.i; }
};
WideEntry entry(uint64_t key, int64_t i) { return {key, i}; }
int64_t position(const WideEntry& entry) { return entry.i; }

template <class F>
void visit_any(DType dtype, F f) {
  if (dtype == DType::i32) return f(int32_t{});
  if (dtype == DType::boolean) return f(bool{});
  visit_floating("sort", dtype, f);
}

template <class T>
void sort_rows(const SortCall& call) {
  const int64_t n = call.x.shape.back(), rows = call.x.numel() / n, k = call.values.shape.back();
  const T* x = call.x.data<T>();
  T* values = call.values.data<T>();
  int32_t* indices = call.indices.data<int32_t>();
  using Key = decltype(key(T{}));
  parallel_for(rows, rows_per_chunk(n, 4096), [&](int64_t begin, int64_t end) {
    const Scratch<decltype(entry(Key{}, 0))> entries(n);
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < n; ++i) {
        const Key ascending = key(x[row * n + i]);
        entries[i] = entry(call.descending ? static_cast<Key>(~ascending) : ascending, i);
      }
      auto* first = entries.data();
      if (k < n) std::nth_element(first, first + k, first + n);
      std::sort(first, first + k);
      for (int64_t i = 0; i < k; ++i) {
        const int64_t from = position(first[i]);
        values[row * k + i] = x[row * n + from];
        indices[row * k + i] = static_cast<int32_t>(from);
      }
    }
  });
}

template <class T>
void arg_rows(const ArgReduceCall& call) {
  const int64_t n = call.x.shape.back(), rows = call.x.numel() / n;
  const T* x = call.x.data<T>();
  int32_t* out = call.out.data<int32_t>();
  using Key = decltype(key(T{}));
  // For the minimum keys are turned round, all but a NaN's, which is the greatest either way.
  const auto rank = [least = call.minimum](T value) {
    const Key ascending = key(value);
    bool nan = false;
    if constexpr (is_floating(dtype_of<T>)) nan = ascending == std::numeric_limits<Key>::max();
    return least && !nan ? static_cast<Key>(~ascending) : ascending;
  };
  parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* values = x + row * n;
      Key best = rank(values[0]);
      int64_t at = 0;
      for (int64_t i = 1; i < n; ++i) {
        const Key candidate = rank(values[i]);
        if (candidate > best) best = candidate, at = i;
      }
      out[row] = static_cast<int32_t>(at);
    }
  });
}

}  // namespace

void sort(const SortCall& call) {
  if (call.x.numel() == 0 || call.values.numel() == 0) return;
  visit_any(call.x.dtype, [&]<class T>(T) { sort_rows<T>(call); });
}

void arg_reduce(const ArgReduceCall& call) {
  if (call.x.numel() == 0) return;
  visit_any(call.x.dtype, [&]<class T>(T) { arg_rows<T>(call); });
}

}  // namespace fovea::cpu
