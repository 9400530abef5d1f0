#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/normal.h"
#include "fovea/backends/philox.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/random.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef FOVEA_BACKENDS_CPU_RANDOM_STREAM
#define FOVEA_BACKENDS_CPU_RANDOM_STREAM
namespace fovea::cpu {

/// Numbers of 32 bits, from the counter `block` on: words, or the f32 that a kind makes of them.
struct RandomStream {
  RandomCall::Kind kind;
  uint64_t seed, block;
};

}  // namespace fovea::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::ScalableTag<uint32_t>;
using Wide = hn::RepartitionToWide<Words>;
using Whole = hn::RebindToSigned<Words>;
using Reals = hn::RebindToFloat<Words>;

// The words of as many blocks as there are lanes of 64 bits: the blocks' first and third words in turns, their second and
// fourth. What lies above a product's low 32 bits is no part of it and does no harm.
HWY_INLINE void philox_lanes(hn::Vec<Wide> block, const uint64_t (&keys)[20], hn::Vec<Words>& first,
                             hn::Vec<Words>& second) {
  const Words d;
  const Wide wide;
  const auto product = [&](hn::Vec<Wide> a, uint32_t b)
                           HWY_ATTR { return hn::MulEven(hn::BitCast(d, a), hn::Set(d, b)); };
  auto a = block, b = hn::ShiftRight<32>(block), c = hn::Zero(wide), e = hn::Zero(wide);
  for (int round = 0; round < 10; ++round) {
    const auto p = product(a, 0xD2511F53), q = product(c, 0xCD9E8D57);
    a = hn::Xor(hn::Xor(hn::ShiftRight<32>(q), b), hn::Set(wide, keys[2 * round]));
    b = q;
    c = hn::Xor(hn::Xor(hn::ShiftRight<32>(p), e), hn::Set(wide, keys[2 * round + 1]));
    e = p;
  }
  const auto pairs = [&](hn::Vec<Wide> low, hn::Vec<Wide> high)
                         HWY_ATTR { return hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(high)), hn::BitCast(d, low)); };
  first = pairs(a, c);
  second = pairs(b, e);
}

// normal_pair(), step by step: sums and products in its order give its bits.
HWY_INLINE void normal_lanes(hn::Vec<Words> first, hn::Vec<Words> second, hn::Vec<Reals>& x, hn::Vec<Reals>& z) {
  const Whole di;
  const Reals d;
  const auto number = [&](float c) HWY_ATTR { return hn::Set(d, c); };
  const auto times_plus = [&](hn::Vec<Reals> a, hn::Vec<Reals> b, float c)
                              HWY_ATTR { return hn::Add(hn::Mul(a, b), number(c)); };
  const auto reals = [&](hn::Vec<Whole> bits) HWY_ATTR { return hn::BitCast(d, bits); };
  const auto u =
      hn::Mul(hn::ConvertTo(d, hn::Add(hn::BitCast(di, hn::ShiftRight<8>(first)), hn::Set(di, 1))), number(0x1p-24f));
  const auto bits = hn::Sub(hn::BitCast(di, u), hn::Set(di, 0x3f3504f3));
  const auto e = hn::ConvertTo(d, hn::ShiftRight<23>(bits));
  const auto f = hn::Sub(reals(hn::Add(hn::And(bits, hn::Set(di, 0x007fffff)), hn::Set(di, 0x3f3504f3))), number(1));
  auto q = times_plus(f, number(0.06915336847305298f), -0.11789732426404953f);
  for (float c : {0.11872945725917816f, -0.12384358793497086f, 0.14218664169311523f, -0.16669251024723053f,
                  0.20002226531505585f, -0.24999986588954926f, 0.3333331048488617f})
    q = times_plus(q, f, c);
  const auto square = hn::Mul(f, f);
  const auto tail = hn::Add(hn::Mul(hn::Mul(square, f), q), hn::Mul(e, number(3.194618329871446e-05f)));
  const auto y = hn::Mul(number(-2), hn::Add(hn::Add(hn::Sub(tail, hn::Mul(number(0.5f), square)), f),
                                             hn::Mul(e, number(0.693115234375f))));
  auto r = reals(hn::Sub(hn::Set(di, 0x5f375a86), hn::ShiftRight<1>(hn::BitCast(di, y))));
  const auto half_y = hn::Mul(number(0.5f), y);
  for (int i = 0; i < 3; ++i) r = hn::Mul(r, hn::Sub(number(1.5f), hn::Mul(hn::Mul(half_y, r), r)));
  const auto root = hn::Mul(y, r);
  const auto radius = hn::Add(root, hn::Mul(hn::Mul(number(0.5f), r), hn::Sub(y, hn::Mul(root, root))));
  const auto k = hn::BitCast(di, hn::ShiftRight<8>(second));
  const auto quarter = hn::ShiftRight<22>(hn::Add(k, hn::Set(di, 1 << 21)));
  const auto a = hn::Mul(hn::ConvertTo(d, hn::Sub(k, hn::ShiftLeft<22>(quarter))), number(3.7450704e-07f));
  const auto s = hn::Mul(a, a);
  auto odd = times_plus(s, number(2.717564711929299e-06f), -0.00019839256128761917f);
  odd = times_plus(odd, s, 0.008333329111337662f);
  odd = times_plus(odd, s, -0.1666666716337204f);
  const auto sine = hn::Add(hn::Mul(hn::Mul(odd, s), a), a);
  auto even = times_plus(s, number(2.4431208657915704e-05f), -0.0013887305976822972f);
  even = times_plus(even, s, 0.04166664555668831f);
  const auto cosine = hn::Add(hn::Sub(hn::Mul(hn::Mul(even, s), s), hn::Mul(number(0.5f), s)), number(1));
  // A quarter's last two bits: whether sine and cosine change places, and both signs; the cosine's changes with a place.
  const auto places = hn::TestBit(quarter, hn::Set(di, 1));
  const auto turn = reals(hn::ShiftLeft<31>(hn::ShiftRight<1>(quarter)));
  const auto swaps = hn::RebindMask(d, places);
  x = hn::Mul(radius, hn::Xor(hn::IfThenElse(swaps, hn::Neg(sine), cosine), turn));
  z = hn::Mul(radius, hn::Xor(hn::IfThenElse(swaps, cosine, sine), turn));
}
#endif

// The numbers of whole vectors of blocks, and how many those are.
int64_t draw_vectors([[maybe_unused]] const RandomStream& stream, [[maybe_unused]] void* to,
                     [[maybe_unused]] int64_t n) {
#if HWY_TARGET == HWY_SCALAR
  return 0;
#else
  const Words d;
  const Wide wide;
  const Reals reals;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  uint64_t keys[20];
  auto low = static_cast<uint32_t>(stream.seed), high = static_cast<uint32_t>(stream.seed >> 32);
  for (int round = 0; round < 10; ++round, low += 0x9E3779B9, high += 0xBB67AE85) {
    keys[2 * round] = low;
    keys[2 * round + 1] = high;
  }
  auto block = hn::Add(hn::Set(wide, stream.block), hn::Iota(wide, 0));
  const auto step = hn::Set(wide, hn::Lanes(wide));
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes, block = hn::Add(block, step)) {
    hn::Vec<Words> first, second;
    philox_lanes(block, keys, first, second);
    if (stream.kind == RandomCall::Kind::bits) {
      hn::StoreInterleaved2(first, second, d, static_cast<uint32_t*>(to) + i);
      continue;
    }
    hn::Vec<Reals> x, z;
    if (stream.kind == RandomCall::Kind::normal) {
      normal_lanes(first, second, x, z);
    } else {
      const auto unit = [&](hn::Vec<Words> words) HWY_ATTR {
        return hn::Mul(hn::ConvertTo(reals, hn::BitCast(Whole(), hn::ShiftRight<8>(words))), hn::Set(reals, 0x1p-24f));
      };
      x = unit(first);
      z = unit(second);
    }
    hn::StoreInterleaved2(x, z, reals, static_cast<float*>(to) + i);
  }
  return i;
#endif
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(draw_vectors);

namespace {

constexpr int64_t random_grain = 16384;  // a multiple of 4: no counter block is split

// Calls each(i, words) for every block of four elements from i on.
template <class F>
void blocks(const RandomStream& stream, int64_t begin, int64_t end, F each) {
  const std::array<uint32_t, 2> key{static_cast<uint32_t>(stream.seed), static_cast<uint32_t>(stream.seed >> 32)};
  for (int64_t i = begin; i < end; i += 4) {
    const uint64_t block = stream.block + static_cast<uint64_t>(i / 4);
    each(i, philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0}, key));
  }
}

template <class V>
V unit(uint32_t word) {
  return static_cast<V>(word >> 8) * V(0x1p-24);
}

// Fills `to` with n numbers of the stream.
template <class T>
void draw(const RandomStream& stream, T* to, int64_t n) {
  static_assert(sizeof(T) == 4);
  blocks(stream, FOVEA_DISPATCH(draw_vectors)(stream, to, n), n, [&](int64_t i, const auto& words) {
    std::array<T, 4> numbers;
    if constexpr (std::is_integral_v<T>) {
      for (size_t j = 0; j < 4; ++j) numbers[j] = static_cast<T>(words[j]);
    } else if (stream.kind == RandomCall::Kind::uniform) {
      for (size_t j = 0; j < 4; ++j) numbers[j] = unit<T>(words[j]);
    } else {
      const auto [a, b] = normal_pair(words[0], words[1]);
      const auto [c, d] = normal_pair(words[2], words[3]);
      numbers = {a, b, c, d};
    }
    std::copy_n(numbers.data(), std::min<int64_t>(4, n - i), to + i);
  });
}

// Normal numbers of f64.
void draw(const RandomStream& stream, double* to, int64_t n) {
  blocks(stream, 0, n, [&](int64_t i, const auto& words) {
    std::array<double, 4> values;
    for (size_t pair = 0; pair < 4; pair += 2) {
      const double u = static_cast<double>((words[pair] >> 8) + 1) * 0x1p-24, v = unit<double>(words[pair + 1]);
      const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi * v;
      values[pair] = radius * std::cos(angle);
      values[pair + 1] = radius * std::sin(angle);
    }
    std::copy_n(values.data(), std::min<int64_t>(4, n - i), to + i);
  });
}

// Rounding a value just below 1 to a short type must not leave [0, 1).
template <class T>
float below_one(float value) {
  if constexpr (sizeof(T) == 2) {
    return std::min(value, std::is_same_v<T, Half> ? 1 - 0x1p-11f : 1 - 0x1p-8f);
  } else {
    return value;
  }
}

// Numbers of another type than f32, from those of f32.
template <class T>
void draw_converted(const RandomStream& stream, T* to, int64_t n) {
  constexpr int64_t step = 256;
  float values[step];
  for (int64_t i = 0; i < n; i += step) {
    const int64_t here = std::min(step, n - i);
    draw(RandomStream{stream.kind, stream.seed, stream.block + static_cast<uint64_t>(i / 4)}, values, here);
    const bool uniform = stream.kind == RandomCall::Kind::uniform;
    for (int64_t j = 0; j < here; ++j) to[i + j] = T(uniform ? below_one<T>(values[j]) : values[j]);
  }
}

}  // namespace

void random(const RandomCall& call) {
  const auto in_chunks = [&](auto fill) {
    parallel_for(call.out.numel(), random_grain, [&](int64_t begin, int64_t end) {
      fill(RandomStream{call.kind, call.seed, call.offset + static_cast<uint64_t>(begin / 4)}, begin, end - begin);
    });
  };
  if (call.kind == RandomCall::Kind::bits) {
    auto* out = call.out.data<int32_t>();
    return in_chunks([&](const RandomStream& stream, int64_t begin, int64_t n) { draw(stream, out + begin, n); });
  }
  visit_floating("random", call.out.dtype, [&]<class T>(T) {
    T* out = call.out.data<T>();
    in_chunks([&](const RandomStream& stream, int64_t begin, int64_t n) {
      if constexpr (std::is_same_v<T, float>) return draw(stream, out + begin, n);
      if constexpr (std::is_same_v<T, double>) {
        if (stream.kind == RandomCall::Kind::normal) return draw(stream, out + begin, n);
      }
      if constexpr (!std::is_same_v<T, float>) draw_converted(stream, out + begin, n);
    });
  });
}

}  // namespace fovea::cpu
#endif
