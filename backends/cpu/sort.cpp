#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/cpu/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/sort.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/math_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using KeyLanes = hn::ScalableTag<uint32_t>;

// key() of n floats, turned round where `descending`.
void keys_of_floats(const float* x, int64_t n, bool descending, uint32_t* keys) {
  const KeyLanes d;
  const hn::RebindToFloat<KeyLanes> df;
  const hn::RebindToSigned<KeyLanes> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto sign = hn::Set(d, 0x80000000u), turn = hn::Set(d, descending ? ~0u : 0u);
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t here = std::min(lanes, n - i);
    const auto given = here == lanes ? hn::LoadU(df, x + i) : LoadFirst(df, x + i, here);
    const auto value = hn::IfThenZeroElse(hn::Eq(given, hn::Zero(df)), given);
    const auto bits = hn::BitCast(d, value);
    const auto ordered = hn::Xor(bits, hn::Or(hn::BitCast(d, hn::ShiftRight<31>(hn::BitCast(di, value))), sign));
    const auto nan = hn::RebindMask(d, hn::IsNaN(value));
    const auto key = hn::Xor(hn::IfThenElse(nan, hn::Set(d, ~0u), ordered), turn);
    if (here == lanes) {
      hn::StoreU(key, d, keys + i);
    } else {
      StoreFirst(d, key, keys + i, here);
    }
  }
}

// The positions of the keys below `bound`, in order, and how many they are; `positions` has room for n and a vector.
int64_t positions_below(const uint32_t* keys, int64_t n, uint32_t bound, uint32_t* positions) {
  const KeyLanes d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto least = hn::Set(d, bound);
  int64_t count = 0, i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto below = hn::Lt(hn::LoadU(d, keys + i), least);
    if (hn::AllFalse(d, below)) continue;
    count +=
        static_cast<int64_t>(hn::CompressStore(hn::Iota(d, static_cast<uint32_t>(i)), below, d, positions + count));
  }
  for (; i < n; ++i) {
    positions[count] = static_cast<uint32_t>(i);
    count += keys[i] < bound;
  }
  return count;
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(keys_of_floats);
FOVEA_VERSIONS(positions_below);

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

// Such keys of n elements, turned round where `descending`.
template <class T, class Key>
void make_keys(const T* x, int64_t n, bool descending, Key* keys) {
  if constexpr (std::is_same_v<T, float>) return FOVEA_DISPATCH(keys_of_floats)(x, n, descending, keys);
  const Key turn = descending ? ~Key{0} : Key{0};
  for (int64_t i = 0; i < n; ++i) keys[i] = key(x[i]) ^ turn;
}

// A key with its position behind it: ordering these is a stable sort of the keys.
uint64_t entry(uint32_t key, int64_t i) { return uint64_t{key} << 32 | static_cast<uint32_t>(i); }
int64_t position(uint64_t entry) { return static_cast<int64_t>(entry & 0xffffffffu); }
uint32_t key_of(uint64_t entry) { return static_cast<uint32_t>(entry >> 32); }

struct WideEntry {
  uint64_t key;
  int64_t i;
  friend bool operator<(const WideEntry& a, const WideEntry& b) { return a.key != b.key ? a.key < b.key : a.i < b.i; }
};
WideEntry entry(uint64_t key, int64_t i) { return {key, i}; }
int64_t position(const WideEntry& entry) { return entry.i; }
uint64_t key_of(const WideEntry& entry) { return entry.key; }

// Sorts entries that stand in the order of their positions by `Bits` of the keys at a time; `other` has room for as many.
// Returns where they are then.
template <int Bits, class Entry>
Entry* sort_by_digits(Entry* entries, Entry* other, int64_t n) {
  using Key = decltype(key_of(Entry{}));
  constexpr int digits = (8 * static_cast<int>(sizeof(Key)) + Bits - 1) / Bits, values = 1 << Bits;
  const auto digit = [](Key key, int which) { return static_cast<size_t>(key >> (which * Bits)) & (values - 1); };
  const Scratch<uint32_t> room(digits * values);
  uint32_t* counts = room.data();
  std::fill_n(counts, digits * values, 0);
  for (int64_t i = 0; i < n; ++i) {
    const Key key = key_of(entries[i]);
    for (int which = 0; which < digits; ++which) ++counts[static_cast<size_t>(which * values) + digit(key, which)];
  }
  for (int which = 0; which < digits; ++which, counts += values) {
    if (counts[digit(key_of(entries[0]), which)] == n) continue;  // all alike
    uint32_t before = 0;
    for (int value = 0; value < values; ++value) before += std::exchange(counts[value], before);
    for (int64_t i = 0; i < n; ++i) other[counts[digit(key_of(entries[i]), which)]++] = entries[i];
    std::swap(entries, other);
  }
  return entries;
}

// Returns the first k of the sorted entries, which stand in the order of their positions.
template <class Entry>
Entry* sort_entries(Entry* entries, Entry* other, int64_t n, int64_t k) {
  if (n < 256) {
    if (k < n) std::nth_element(entries, entries + k, entries + n);
    std::sort(entries, entries + k);
    return entries;
  }
  return n < 16384 ? sort_by_digits<8>(entries, other, n) : sort_by_digits<11>(entries, other, n);
}

constexpr int64_t select_step = 256;
// Where so few are wanted, most elements are found out by one comparison with the last of the first k.
constexpr bool selects(int64_t n, int64_t k) { return n >= 128 && k <= n / 8; }

// The first k entries of a row that begins with `entries`, sorted; there is room for k + 64 + select_step.
template <class T, class Entry>
void select_first(const T* x, int64_t n, int64_t k, bool descending, Entry* entries) {
  using Key = decltype(key(T{}));
  const auto shorten = [&](int64_t size) {
    std::nth_element(entries, entries + k - 1, entries + size);
    return key_of(entries[k - 1]);
  };
  Key keys[select_step];
  uint32_t positions[2 * select_step];
  int64_t size = std::min(n, k + 64);
  for (int64_t i = 0; i < size; i += select_step) {
    const int64_t here = std::min(select_step, size - i);
    make_keys(x + i, here, descending, keys);
    for (int64_t j = 0; j < here; ++j) entries[i + j] = entry(keys[j], i + j);
  }
  int64_t i = size;
  Key bound = shorten(size);
  for (size = k; i < n; i += select_step) {
    const int64_t here = std::min(select_step, n - i);
    make_keys(x + i, here, descending, keys);
    // Of equal keys the one in front comes first.
    if constexpr (sizeof(Key) == 4) {
      const int64_t found = FOVEA_DISPATCH(positions_below)(keys, here, bound, positions);
      for (int64_t j = 0; j < found; ++j) entries[size++] = entry(keys[positions[j]], i + positions[j]);
    } else {
      for (int64_t j = 0; j < here; ++j) {
        if (keys[j] < bound) entries[size++] = entry(keys[j], i + j);
      }
    }
    if (size == k) continue;
    bound = shorten(size);
    size = k;
  }
  std::sort(entries, entries + k);
}

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
  using Entry = decltype(entry(Key{}, 0));
  const bool few = selects(n, k);
  parallel_for(rows, rows_per_chunk(n, 4096), [&](int64_t begin, int64_t end) {
    const Scratch<Entry> entries(few ? k + 64 + select_step : n), other(few ? 0 : n);
    const Scratch<Key> keys(few ? 0 : n);
    for (int64_t row = begin; row < end; ++row) {
      const T* from = x + row * n;
      Entry* first = entries.data();
      if (few) {
        select_first(from, n, k, call.descending, first);
      } else {
        make_keys(from, n, call.descending, keys.data());
        for (int64_t i = 0; i < n; ++i) first[i] = entry(keys[i], i);
        first = sort_entries(first, other.data(), n, k);
      }
      for (int64_t i = 0; i < k; ++i) {
        const int64_t at = position(first[i]);
        values[row * k + i] = from[at];
        indices[row * k + i] = static_cast<int32_t>(at);
      }
    }
  });
}

}  // namespace

void sort(const SortCall& call) {
  if (call.x.numel() == 0 || call.values.numel() == 0) return;
  visit_any(call.x.dtype, [&]<class T>(T) { sort_rows<T>(call); });
}

}  // namespace fovea::cpu
#endif
