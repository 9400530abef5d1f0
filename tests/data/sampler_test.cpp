#include "fovea/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace fovea::data {
namespace {

using Order = std::vector<int64_t>;

std::vector<Order> batches_of(const BatchSampler& sampler) {
  std::vector<Order> batches;
  for (int64_t i = 0; i < sampler.batches(); ++i)
    batches.emplace_back(sampler.batch(i).begin(), sampler.batch(i).end());
  return batches;
}

Order joined(const std::vector<Order>& batches) {
  Order all;
  for (const Order& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

Order iota(int64_t n) {
  Order order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

Order sorted(Order order) {
  std::sort(order.begin(), order.end());
  return order;
}

Order some_lengths(int64_t n) {
  Order lengths;
  for (int64_t i = 0; i < n; ++i) lengths.push_back(1 + i * 7919 % 50);
  return lengths;
}

TEST(Permutation, IsOneAndDependsOnSeedAndStream) {
  for (const int64_t n : {0, 1, 2, 3, 10, 1000}) EXPECT_EQ(sorted(permutation(n, 1, 2)), iota(n));
  EXPECT_EQ(permutation(100, 1, 2), permutation(100, 1, 2));
  EXPECT_NE(permutation(100, 1, 2), permutation(100, 2, 2));
  EXPECT_NE(permutation(100, 1, 2), permutation(100, 1, 3));
}

// Resumed runs depend on it: the order may never change.
TEST(Permutation, IsTheSameForEver) { EXPECT_EQ(permutation(8, 42, 0), (Order{2, 1, 6, 5, 0, 7, 4, 3})); }

TEST(Permutation, FavoursNoOrder) {
  std::vector<int> counts(24);
  for (uint64_t seed = 0; seed < 24000; ++seed) {
    const Order order = permutation(4, seed, 0);
    const auto rank = [&](size_t i) {
      return std::count_if(order.begin() + static_cast<int64_t>(i), order.end(),
                           [&](int64_t x) { return x < order[i]; });
    };
    ++counts[static_cast<size_t>(rank(0) * 6 + rank(1) * 2 + rank(2))];
  }
  // 1000 each, with a standard deviation of 31.
  EXPECT_GT(*std::min_element(counts.begin(), counts.end()), 850);
  EXPECT_LT(*std::max_element(counts.begin(), counts.end()), 1150);
}

TEST(BatchSampler, CoversEveryExampleOnce) {
  for (const int64_t n : {0, 1, 2, 31, 32, 33, 1000}) {
    for (const int64_t size : {1, 2, 32, 5000}) {
      for (const bool shuffle : {false, true}) {
        for (const bool lengths : {false, true}) {
          for (const int64_t bucket : {1, 3, 1000000}) {
            const BatchSamplerOptions options{.batch_size = size, .shuffle = shuffle, .bucket_batches = bucket};
            const BatchSampler sampler = lengths ? BatchSampler(some_lengths(n), options) : BatchSampler(n, options);
            const auto batches = batches_of(sampler);
            EXPECT_EQ(sampler.batches(), (n + size - 1) / size);
            EXPECT_EQ(sorted(joined(batches)), iota(n)) << n << " " << size << " " << shuffle << " " << lengths;
            const auto small = std::count_if(batches.begin(), batches.end(),
                                             [&](const Order& b) { return static_cast<int64_t>(b.size()) != size; });
            EXPECT_LE(small, 1);
          }
        }
      }
    }
  }
}

TEST(BatchSampler, WithoutShufflingKeepsTheOrder) {
  BatchSampler sampler(7, {.batch_size = 3, .shuffle = false});
  EXPECT_EQ(batches_of(sampler), (std::vector<Order>{{0, 1, 2}, {3, 4, 5}, {6}}));
  sampler.set_epoch(5);
  EXPECT_EQ(batches_of(sampler), (std::vector<Order>{{0, 1, 2}, {3, 4, 5}, {6}}));
}

TEST(BatchSampler, WithoutShufflingGoesFromShortToLong) {
  const BatchSampler sampler({5, 1, 3, 1, 9}, {.batch_size = 2, .shuffle = false});
  EXPECT_EQ(batches_of(sampler), (std::vector<Order>{{1, 3}, {2, 0}, {4}}));
}

TEST(BatchSampler, EachEpochHasAnOrderOfItsOwn) {
  for (const bool lengths : {false, true}) {
    BatchSampler sampler = lengths ? BatchSampler(some_lengths(200)) : BatchSampler(200);
    const auto first = batches_of(sampler);
    sampler.set_epoch(1);
    EXPECT_NE(batches_of(sampler), first);
    sampler.set_epoch(0);
    EXPECT_EQ(batches_of(sampler), first);
    const BatchSamplerOptions other{.seed = 1};
    EXPECT_NE(batches_of(lengths ? BatchSampler(some_lengths(200), other) : BatchSampler(200, other)), first);
  }
}

TEST(BatchSampler, PutsLikeLengthsTogether) {
  const Order lengths = some_lengths(3200);
  const auto padded = [&](const BatchSampler& sampler) {
    int64_t sum = 0;
    for (const Order& batch : batches_of(sampler)) {
      int64_t longest = 0;
      for (const int64_t i : batch) longest = std::max(longest, lengths[static_cast<size_t>(i)]);
      sum += longest * static_cast<int64_t>(batch.size());
    }
    return sum;
  };
  const int64_t least = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  EXPECT_LT(static_cast<double>(padded(BatchSampler(lengths))), 1.04 * static_cast<double>(least));
  EXPECT_GT(static_cast<double>(padded(BatchSampler(3200))), 1.5 * static_cast<double>(least));
}

TEST(BatchSampler, BatchesOfLikeLengthComeInRandomOrder) {
  const Order lengths = some_lengths(3200);
  const BatchSampler sampler(lengths);
  int64_t rises = 0;
  for (int64_t i = 1; i < sampler.batches(); ++i) {
    rises += lengths[static_cast<size_t>(sampler.batch(i - 1)[0])] < lengths[static_cast<size_t>(sampler.batch(i)[0])];
  }
  EXPECT_GT(rises, 30);
  EXPECT_LT(rises, 70) << "of 99";
}

TEST(BatchSampler, MayDropTheSmallBatch) {
  EXPECT_EQ(BatchSampler(10, {.batch_size = 4, .drop_last = true}).batches(), 2);
  EXPECT_EQ(BatchSampler(3, {.batch_size = 4, .drop_last = true}).batches(), 0);
  EXPECT_EQ(BatchSampler(8, {.batch_size = 4, .drop_last = true}).batches(), 2);
  const BatchSampler sampler(some_lengths(10), {.batch_size = 4, .bucket_batches = 1, .drop_last = true});
  for (const Order& batch : batches_of(sampler)) EXPECT_EQ(batch.size(), 4u);
}

TEST(BatchSampler, CopiesStandAlone) {
  auto original = std::make_unique<BatchSampler>(some_lengths(100));
  const auto expected = batches_of(*original);
  const BatchSampler copy = *original;
  original.reset();
  EXPECT_EQ(batches_of(copy), expected);
}

TEST(BatchSampler, RefusesBadArguments) {
  EXPECT_THROW(BatchSampler(10, {.batch_size = 0}), ValueError);
  EXPECT_THROW(BatchSampler(10, {.bucket_batches = 0}), ValueError);
  EXPECT_THROW(BatchSampler(-1), ValueError);
  BatchSampler sampler(10);
  EXPECT_THROW(sampler.set_epoch(-1), ValueError);
  EXPECT_THROW((void)sampler.batch(1), IndexError);
  EXPECT_THROW((void)sampler.batch(-1), IndexError);
  EXPECT_NO_THROW(BatchSampler(some_lengths(10), {.batch_size = INT64_MAX, .bucket_batches = INT64_MAX}));
}

TEST(BatchSampler, BalancesClasses) {
  // Of 100 examples 10 are of class 2, 30 of class 0, 60 of class 5.
  std::vector<int32_t> classes;
  for (int i = 0; i < 100; ++i) classes.push_back(i % 10 == 3 ? 2 : i % 10 < 3 ? 0 : 5);
  BatchSampler sampler(100, {.batch_size = 7, .seed = 4, .balance = classes});
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    sampler.set_epoch(epoch);
    std::map<int32_t, std::map<int64_t, int>> drawn;  // class -> example -> how often
    std::map<int32_t, int> of_class;
    for (const int64_t example : joined(batches_of(sampler))) {
      ++drawn[classes[static_cast<size_t>(example)]][example];
      ++of_class[classes[static_cast<size_t>(example)]];
    }
    for (const auto& [c, count] : of_class) EXPECT_NEAR(count, 100.0 / 3, 1);
    EXPECT_EQ(drawn[2].size(), 10u);
    for (const auto& [example, times] : drawn[2]) EXPECT_NEAR(times, 3.4, 1);  // each before any a second time
    for (const auto& [example, times] : drawn[5]) EXPECT_EQ(times, 1);
  }
  const Order first = joined(batches_of(BatchSampler(100, {.seed = 4, .balance = classes})));
  Order small;
  std::copy_if(first.begin(), first.end(), std::back_inserter(small),
               [](int64_t example) { return example % 10 == 3; });
  ASSERT_GE(small.size(), 20u);
  EXPECT_NE(Order(small.begin(), small.begin() + 10), Order(small.begin() + 10, small.begin() + 20));
  EXPECT_EQ(first, joined(batches_of(BatchSampler(100, {.seed = 4, .balance = classes}))));
  EXPECT_NE(first, joined(batches_of(BatchSampler(100, {.seed = 5, .balance = classes}))));
  EXPECT_THROW(BatchSampler(99, {.balance = classes}), ValueError);
  EXPECT_THROW(BatchSampler(100, {.shuffle = false, .balance = classes}), ValueError);
  classes[0] = -1;
  EXPECT_THROW(BatchSampler(100, {.balance = classes}), ValueError);
}

TEST(BatchSampler, NoClassIsFavouredWhereARoundIsNotWhole) {
  // Four places for three classes: one of them is drawn twice, now this one and now that.
  const std::vector<int32_t> classes{0, 1, 2, 2};
  BatchSampler sampler(4, {.batch_size = 4, .balance = classes});
  std::map<int32_t, int> twice;
  for (int64_t epoch = 0; epoch < 300; ++epoch) {
    sampler.set_epoch(epoch);
    std::map<int32_t, int> of_class;
    for (const int64_t example : joined(batches_of(sampler))) ++of_class[classes[static_cast<size_t>(example)]];
    for (const auto& [c, count] : of_class) twice[c] += count == 2;
  }
  for (int32_t c = 0; c < 3; ++c) EXPECT_NEAR(twice[c], 100, 40) << c;
}

TEST(BatchSampler, DividesEveryBatchAmongRanks) {
  for (const int64_t ranks : {1, 2, 3, 5}) {
    const BatchSampler whole(23, {.batch_size = 7, .seed = 4});
    std::vector<Order> batches(static_cast<size_t>(whole.batches()));
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const BatchSampler part(23, {.batch_size = 7, .seed = 4, .rank = rank, .ranks = ranks});
      ASSERT_EQ(part.batches(), whole.batches());
      for (int64_t i = 0; i < part.batches(); ++i) {
        const Order slice(part.batch(i).begin(), part.batch(i).end());
        if (part.is_stand_in(i)) {
          ASSERT_EQ(slice.size(), 1u);
          EXPECT_NE(std::count(whole.batch(i).begin(), whole.batch(i).end(), slice[0]), 0);
          continue;
        }
        const auto size = static_cast<int64_t>(whole.batch(i).size()), own = static_cast<int64_t>(slice.size());
        EXPECT_TRUE(own == size / ranks || own == (size + ranks - 1) / ranks) << own << " of " << size;
        Order& all = batches[static_cast<size_t>(i)];
        all.insert(all.end(), slice.begin(), slice.end());
      }
    }
    EXPECT_EQ(batches, batches_of(whole)) << ranks;
  }
  // 22 = 3 * 7 + 1: the last batch has one example for three ranks.
  int stand_ins = 0;
  for (int64_t rank = 0; rank < 3; ++rank) {
    stand_ins += BatchSampler(22, {.batch_size = 7, .rank = rank, .ranks = 3}).is_stand_in(3);
  }
  EXPECT_EQ(stand_ins, 2);
  EXPECT_THROW(BatchSampler(5, {.rank = 2, .ranks = 2}), ValueError);
}

TEST(BatchSampler, CutsABatchIntoParts) {
  const BatchSampler whole(22, {.batch_size = 7, .seed = 4});
  for (const int64_t ranks : {1, 2}) {
    std::vector<Order> batches(static_cast<size_t>(whole.batches()));
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const BatchSampler cut(22, {.batch_size = 7, .seed = 4, .rank = rank, .ranks = ranks, .parts = 3});
      ASSERT_EQ(cut.batches(), 3 * whole.batches());
      for (int64_t i = 0; i < cut.batches(); ++i) {
        if (cut.is_stand_in(i)) continue;
        Order& all = batches[static_cast<size_t>(i / 3)];
        all.insert(all.end(), cut.batch(i).begin(), cut.batch(i).end());
      }
    }
    EXPECT_EQ(batches, batches_of(whole)) << ranks;
  }
  EXPECT_THROW(BatchSampler(5, {.parts = 0}), ValueError);
}

TEST(BatchSampler, BeginsWithTheLongestWhereAskedTo) {
  const BatchSampler sampler(Order{3, 1, 9, 5, 7}, {.batch_size = 2, .shuffle = false, .longest_first = true});
  EXPECT_EQ(batches_of(sampler), (std::vector<Order>{{2, 4}, {3, 0}, {1}}));
}

}  // namespace
}  // namespace fovea::data
