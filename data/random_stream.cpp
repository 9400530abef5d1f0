#include "fovea/data/random_stream.h"

#include <cstddef>

#include "fovea/backends/normal.h"
#include "fovea/backends/philox.h"

namespace fovea::data {

std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter, uint64_t stream) {
  const auto low = [](uint64_t word) { return static_cast<uint32_t>(word); };
  const auto high = [](uint64_t word) { return static_cast<uint32_t>(word >> 32); };
  return fovea::philox({low(counter), high(counter), low(stream), high(stream)}, {low(key), high(key)});
}

uint64_t RandomStream::bits() {
  if (counter_ % 2 == 0) block_ = philox(seed_, counter_ / 2, stream_);
  const size_t i = 2 * (counter_++ % 2);
  return uint64_t{block_[i]} << 32 | block_[i + 1];
}

// Without bias: 64 bits at a time, those of the incomplete last multiple of the bound thrown away.
uint64_t RandomStream::below(uint64_t bound) {
  const uint64_t rest = (0 - bound) % bound;  // 2^64 mod bound
  while (true) {
    const uint64_t drawn = bits();
    if (drawn >= rest) return drawn % bound;
  }
}

float RandomStream::normal() {
  const uint64_t drawn = bits();
  return normal_pair(static_cast<uint32_t>(drawn >> 32), static_cast<uint32_t>(drawn))[0];
}

uint64_t epoch_seed(uint64_t seed, int64_t epoch) {
  // splitmix64's finaliser (Steele et al. 2014), so that neighbouring epochs and seeds share nothing.
  uint64_t x = seed + (static_cast<uint64_t>(epoch) + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

}  // namespace fovea::data
