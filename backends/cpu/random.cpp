#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/normal.h"
#include "fovea/backends/philox.h"

namespace fovea::cpu {
namespace {

constexpr int64_t random_grain = 16384;  // a multiple of 4: no counter block is split

// Calls each(i, words) for every block of four elements from i on.
template <class F>
void blocks(const RandomCall& call, int64_t begin, int64_t end, F each) {
  const std::array<uint32_t, 2> key{static_cast<uint32_t>(call.seed), static_cast<uint32_t>(call.seed >> 32)};
  for (int64_t i = begin; i < end; i += 4) {
    const uint64_t block = call.offset + static_cast<uint64_t>(i / 4);
    each(i, philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0}, key));
  }
}

template <class V>
V unit(uint32_t word) {
  return static_cast<V>(word >> 8) * V(0x1p-24);
}

template <class V>
std::array<V, 4> normals(const std::array<uint32_t, 4>& words) {
  std::array<V, 4> values;
  if constexpr (std::is_same_v<V, float>) {
    const auto [a, b] = normal_pair(words[0], words[1]);
    const auto [c, d] = normal_pair(words[2], words[3]);
    return {a, b, c, d};
  }
  for (size_t pair = 0; pair < 4; pair += 2) {
    const V u = static_cast<V>((words[pair] >> 8) + 1) * V(0x1p-24), v = unit<V>(words[pair + 1]);
    const V radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi_v<V> * v;
    values[pair] = radius * std::cos(angle);
    values[pair + 1] = radius * std::sin(angle);
  }
  return values;
}

// Rounding a value just below 1 to a short type must not leave [0, 1).
template <class T>
T below_one(Compute<T> value) {
  if constexpr (sizeof(T) == 2) {
    return T(std::min(value, std::is_same_v<T, Half> ? 1 - 0x1p-11f : 1 - 0x1p-8f));
  } else {
    return value;
  }
}

}  // namespace

void random(const RandomCall& call) {
  const int64_t count = call.out.numel();
  if (call.kind == RandomCall::Kind::bits) {
    int32_t* out = call.out.data<int32_t>();
    return parallel_for(count, random_grain, [&](int64_t begin, int64_t end) {
      blocks(call, begin, end, [&](int64_t i, const auto& words) {
        for (int64_t j = i; j < std::min(i + 4, end); ++j)
          out[j] = static_cast<int32_t>(words[static_cast<size_t>(j - i)]);
      });
    });
  }
  visit_floating("random", call.out.dtype, [&]<class T>(T) {
    T* out = call.out.data<T>();
    parallel_for(count, random_grain, [&](int64_t begin, int64_t end) {
      blocks(call, begin, end, [&](int64_t i, const auto& words) {
        const int64_t last = std::min(i + 4, end);
        if (call.kind == RandomCall::Kind::uniform) {
          for (int64_t j = i; j < last; ++j) out[j] = below_one<T>(unit<Compute<T>>(words[static_cast<size_t>(j - i)]));
        } else {
          const auto values = normals<Compute<T>>(words);
          for (int64_t j = i; j < last; ++j) out[j] = T(values[static_cast<size_t>(j - i)]);
        }
      });
    });
  });
}

}  // namespace fovea::cpu
