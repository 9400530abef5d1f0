#include "fovea/data/sampler.h"

#include <algorithm>
#include <numeric>

#include "fovea/data/random_stream.h"

namespace fovea::data {

namespace {

template <class T>
void shuffle(std::vector<T>& items, RandomStream& random) {
  for (size_t left = items.size(); left > 1; --left) std::swap(items[left - 1], items[random.below(left)]);
}

}  // namespace

std::vector<int64_t> permutation(int64_t n, uint64_t seed, uint64_t stream) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  RandomStream random(seed, stream);
  shuffle(order, random);
  return order;
}

namespace {

/// `count` examples, the classes in turn; a class's examples in an order that is drawn anew whenever all have been.
std::vector<int64_t> balanced_order(const std::vector<std::vector<int64_t>>& members, size_t count, uint64_t seed,
                                    uint64_t stream) {
  RandomStream random(seed, stream);
  std::vector<std::vector<int64_t>> left(members.size());
  std::vector<int64_t> order;
  order.reserve(count);
  while (order.size() < count) {
    std::vector<size_t> turn(members.size());
    std::iota(turn.begin(), turn.end(), size_t{0});
    shuffle(turn, random);  // so that no class is favoured where the last round is not whole
    for (const size_t c : turn) {
      if (order.size() == count) break;
      if (left[c].empty()) {
        left[c] = members[c];
        shuffle(left[c], random);
      }
      order.push_back(left[c].back());
      left[c].pop_back();
    }
  }
  return order;
}

}  // namespace

BatchSampler::BatchSampler(int64_t examples, BatchSamplerOptions options, Caller caller)
    : examples_(examples), options_(std::move(options)) {
  if (examples < 0 || options_.batch_size < 1 || options_.bucket_batches < 1) {
    raise<ValueError>(caller, "BatchSampler: {} examples in batches of {}, {} batches a bucket", examples,
                      options_.batch_size, options_.bucket_batches);
  }
  if (options_.ranks < 1 || options_.rank < 0 || options_.rank >= options_.ranks || options_.parts < 1) {
    raise<ValueError>(caller, "BatchSampler: rank {} of {}, {} parts", options_.rank, options_.ranks, options_.parts);
  }
  if (!options_.balance.empty()) {
    if (!options_.shuffle || static_cast<int64_t>(options_.balance.size()) != examples) {
      raise<ValueError>(caller, "BatchSampler: {} classes to balance {} examples, {} shuffling",
                        options_.balance.size(), examples, options_.shuffle ? "with" : "without");
    }
    for (size_t i = 0; i < options_.balance.size(); ++i) {
      const int32_t c = options_.balance[i];
      if (c < 0) raise<ValueError>(caller, "BatchSampler: class {}", c);
      if (static_cast<size_t>(c) >= members_.size()) members_.resize(static_cast<size_t>(c) + 1);
      members_[static_cast<size_t>(c)].push_back(static_cast<int64_t>(i));
    }
    std::erase_if(members_, [](const auto& members) { return members.empty(); });
  }
  arrange();
}

BatchSampler::BatchSampler(std::vector<int64_t> lengths, BatchSamplerOptions options, Caller caller)
    : BatchSampler(static_cast<int64_t>(lengths.size()), std::move(options), caller) {
  lengths_ = std::move(lengths);
  arrange();
}

int64_t BatchSampler::batches() const { return static_cast<int64_t>(begins_.size()) * options_.parts; }

std::span<const int64_t> BatchSampler::batch(int64_t i, Caller caller) const {
  if (i < 0 || i >= batches()) raise<IndexError>(caller, "BatchSampler: no batch {}; there are {}", i, batches());
  const std::span<const int64_t> own = slice(i);
  return own.empty() ? std::span(own.data(), 1) : own;
}

bool BatchSampler::is_stand_in(int64_t i) const { return slice(i).empty(); }

/// What of a batch this rank and part have; where that is nothing, it begins at an example of the batch.
std::span<const int64_t> BatchSampler::slice(int64_t i) const {
  const auto parts = static_cast<size_t>(options_.parts), slices = parts * static_cast<size_t>(options_.ranks);
  const size_t place = static_cast<size_t>(i) / parts, begin = begins_[place],
               size = std::min(static_cast<size_t>(options_.batch_size), order_.size() - begin),
               number = static_cast<size_t>(options_.rank) * parts + static_cast<size_t>(i) % parts,
               first = size * number / slices, last = size * (number + 1) / slices;
  return std::span(order_).subspan(begin + first, last - first);
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
  if (!members_.empty()) {
    order_ = balanced_order(members_, count, options_.seed, 2 * epoch);
  } else if (options_.shuffle) {
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
    if (options_.longest_first && !options_.shuffle) std::reverse(order_.begin(), order_.end());
  }
  begins_.clear();
  for (size_t begin = 0; begin < count; begin += size) {
    if (options_.drop_last && count - begin < size) break;
    begins_.push_back(begin);
  }
  if (options_.shuffle && !lengths_.empty()) {
    RandomStream random(options_.seed, 2 * epoch + 1);
    shuffle(begins_, random);
  }
}

}  // namespace fovea::data
