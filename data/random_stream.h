#pragma once

#include <array>
#include <cstdint>

namespace fovea::data {

/// One block of Philox 4x32-10 (Salmon et al. 2011).
std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter, uint64_t stream);

/// Random numbers that depend on seed and stream alone: each example of each epoch can have a stream of its own, so that
/// what is drawn for it does not depend on who draws when.
class RandomStream {
 public:
  RandomStream(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  /// 64 random bits.
  uint64_t bits();
  /// A number below `bound`, each as likely as another.
  uint64_t below(uint64_t bound);
  /// From 0 on, below 1.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal.
  float normal();

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint64_t counter_ = 0;
  std::array<uint32_t, 4> block_{};
};

/// The seed of an epoch's streams.
uint64_t epoch_seed(uint64_t seed, int64_t epoch);

}  // namespace fovea::data
