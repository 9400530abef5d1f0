#include "fovea/data/sampler.h"

#include <algorithm>
#include <numeric>

namespace fovea::data {

std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter, uint64_t stream) {
  auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  std::array<uint32_t, 4> x{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                            static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xd2511f53u} * x[0], b = uint64_t{0xcd9e8d57u} * x[2];
    x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ low, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ x[3] ^ high, static_cast<uint32_t>(a)};
    low += 0x9e3779b9u;
    high += 0xbb67ae85u;
  }
  return x;
}

namespace {

/// Numbers below a bound, without bias: 64 bits at a time, those of the incomplete last multiple thrown away.
class Uniform {
 public:
  Uniform(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  uint64_t below(uint64_t bound) {
    const uint64_t rest = (0 - bound) % bound;  // 2^64 mod bound
    while (true) {
      const uint64_t bits = next();
      if (bits >= rest) return bits % bound;
    }
  }

 private:
  uint64_t next() {
    if (counter_ % 2 == 0) block_ = philox(seed_, counter_ / 2, stream_);
    const size_t i = 2 * (counter_++ % 2);
    return uint64_t{block_[i]} << 32 | block_[i + 1];
  }

  uint64_t seed_;
  uint64_t stream_;
  uint64_t counter_ = 0;
  std::array<uint32_t, 4> block_{};
};

template <class T>
void shuffle(std::vector<T>& items, Uniform& random) {
  for (size_t left = items.size(); left > 1; --left) std::swap(items[left - 1], items[random.below(left)]);
}

}  // namespace

std::vector<int64_t> permutation(int64_t n, uint64_t seed, uint64_t stream) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  Uniform random(seed, stream);
  shuffle(order, random);
  return order;
}

BatchSampler::BatchSampler(int64_t examples, BatchSamplerOptions options, Caller caller)
    : examples_(examples), options_(options) {
  if (examples < 0 || options.batch_size < 1 || options.bucket_batches < 1) {
    raise<ValueError>(caller, "BatchSampler: {} examples in batches of {}, {} batches a bucket", examples,
                      options.batch_size, options.bucket_batches);
  }
  arrange();
}

BatchSampler::BatchSampler(std::vector<int64_t> lengths, BatchSamplerOptions options, Caller caller)
    : BatchSampler(static_cast<int64_t>(lengths.size()), options, caller) {
  lengths_ = std::move(lengths);
  arrange();
}

int64_t BatchSampler::batches() const { return static_cast<int64_t>(begins_.size()); }

std::span<const int64_t> BatchSampler::batch(int64_t i, Caller caller) const {
  if (i < 0 || i >= batches()) raise<IndexError>(caller, "BatchSampler: no batch {}; there are {}", i, batches());
  const size_t begin = begins_[static_cast<size_t>(i)];
  const size_t size = std::min(static_cast<size_t>(options_.batch_size), order_.size() - begin);
  return std::span(order_).subspan(begin, size);
}

void BatchSampler::set_epoch(int64_t epoch, Caller caller) {
  if (epoch < 0) raise<ValueError>(caller, "BatchSampler: epoch {}", epoch);
  if (epoch == epoch_) return;
  epoch_ = epoch;
  if (options_.shuffle) arrange();
}

void BatchSampler::arrange() {
  const auto count = static_cast<size_t>(examples_), size = static_cast<size_t>(options_.batch_size);
  const auto epoch = static_cast<uint64_t>(epoch_);
  if (options_.shuffle) {
    order_ = permutation(examples_, options_.seed, 2 * epoch);
  } else {
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), int64_t{0});
  }
  if (!lengths_.empty()) {
    const size_t batches_in_all = count / size + 1;
    const size_t bucket =
        options_.shuffle ? size * std::min(batches_in_all, static_cast<size_t>(options_.bucket_batches)) : count;
    for (size_t begin = 0; begin < count; begin += bucket) {
      const auto first = order_.begin() + static_cast<ptrdiff_t>(begin);
      const auto last = order_.begin() + static_cast<ptrdiff_t>(std::min(begin + bucket, count));
      std::stable_sort(first, last, [this](int64_t a, int64_t b) {
        return lengths_[static_cast<size_t>(a)] < lengths_[static_cast<size_t>(b)];
      });
    }
  }
  begins_.clear();
  for (size_t begin = 0; begin < count; begin += size) {
    if (options_.drop_last && count - begin < size) break;
    begins_.push_back(begin);
  }
  if (options_.shuffle && !lengths_.empty()) {
    Uniform random(options_.seed, 2 * epoch + 1);
    shuffle(begins_, random);
  }
}

}  // namespace fovea::data
