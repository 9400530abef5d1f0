#include "fovea/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace fovea::data {

static void PrintTo(const DataLoaderOptions& options, std::ostream* stream) {
  *stream << options.workers << " workers, " << options.prefetch << " batches ahead";
}

namespace {

using Examples = std::vector<int64_t>;
using Loader = DataLoader<Examples>;

Examples copy(std::span<const int64_t> examples) { return {examples.begin(), examples.end()}; }

BatchSampler some_sampler() { return BatchSampler(103, {.batch_size = 10, .seed = 7}); }

std::vector<Examples> one_epoch(Loader& loader) {
  std::vector<Examples> batches;
  for (Examples& batch : loader) batches.push_back(std::move(batch));
  return batches;
}

class EveryLoader : public ::testing::TestWithParam<DataLoaderOptions> {};

TEST_P(EveryLoader, GivesTheSamplersBatchesInItsOrder) {
  BatchSampler sampler = some_sampler();
  Loader loader(sampler, copy, GetParam());
  EXPECT_EQ(loader.batches(), 11);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    sampler.set_epoch(epoch);
    EXPECT_EQ(loader.position(), (Loader::Position{epoch, 0}));
    const auto batches = one_epoch(loader);
    ASSERT_EQ(batches.size(), 11u);
    for (int64_t i = 0; i < 11; ++i) EXPECT_EQ(batches[static_cast<size_t>(i)], copy(sampler.batch(i)));
  }
}

TEST_P(EveryLoader, GoesOnWhereARunWasInterrupted) {
  Loader whole(some_sampler(), copy, GetParam());
  std::vector<Examples> expected;
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (Examples& batch : whole) expected.push_back(batch);
  }
  for (size_t stop = 1; stop <= 13; ++stop) {
    Loader first(some_sampler(), copy, GetParam());
    std::vector<Examples> got;
    Loader::Position saved;
    while (got.size() < stop) {
      for (Examples& batch : first) {
        got.push_back(batch);
        saved = first.position();
        if (got.size() == stop) break;
      }
    }
    Loader second(some_sampler(), copy, GetParam());
    second.seek(saved);
    while (got.size() < expected.size()) {
      for (Examples& batch : second) got.push_back(batch);
    }
    EXPECT_EQ(got, expected) << "stopped after " << stop;
  }
}

TEST_P(EveryLoader, GoesOnAfterABreak) {
  Loader whole(some_sampler(), copy, GetParam()), parts(some_sampler(), copy, GetParam());
  const auto expected = one_epoch(whole);
  std::vector<Examples> got;
  for (Examples& batch : parts) {
    got.push_back(batch);
    if (got.size() == 4) break;
  }
  for (Examples& batch : one_epoch(parts)) got.push_back(batch);
  EXPECT_EQ(got, expected);
}

TEST_P(EveryLoader, TellsTheEpochToAMakeThatTakesIt) {
  const auto make = [](std::span<const int64_t> examples, int64_t epoch) {
    Examples made = copy(examples);
    made.push_back(epoch);
    return made;
  };
  Loader loader(some_sampler(), make, GetParam());
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    for (const Examples& batch : one_epoch(loader)) EXPECT_EQ(batch.back(), epoch);
  }
  loader.seek({7, 5});
  EXPECT_EQ(loader.next()->back(), 7);
}

TEST_P(EveryLoader, AnExceptionComesOutAtItsBatch) {
  const BatchSampler sampler = some_sampler();
  const int64_t wrong = sampler.batch(5)[0];
  const auto make = [&](std::span<const int64_t> examples) {
    if (examples[0] == wrong) throw std::runtime_error("wrong");
    return copy(examples);
  };
  Loader loader(sampler, make, GetParam());
  int64_t seen = 0;
  EXPECT_THROW(
      {
        for (Examples& batch : loader) seen += !batch.empty();
      },
      std::runtime_error);
  EXPECT_EQ(seen, 5);
  EXPECT_EQ(one_epoch(loader).size(), 5u) << "those behind the wrong one";
}

TEST_P(EveryLoader, AnEmptySetHasEmptyEpochs) {
  Loader loader(BatchSampler(0), copy, GetParam());
  EXPECT_TRUE(one_epoch(loader).empty());
  EXPECT_EQ(loader.position(), (Loader::Position{1, 0}));
}

TEST_P(EveryLoader, SeeksWhileBatchesWait) {
  Loader loader(some_sampler(), copy, GetParam());
  for (Examples& batch : loader) {
    (void)batch;
    break;
  }
  loader.seek({3, 10});
  EXPECT_EQ(one_epoch(loader).size(), 1u);
  EXPECT_EQ(loader.position(), (Loader::Position{4, 0}));
  EXPECT_THROW(loader.seek({0, 12}), ValueError);
  EXPECT_THROW(loader.seek({0, -1}), ValueError);
  EXPECT_THROW(loader.seek({-1, 0}), ValueError);
}

INSTANTIATE_TEST_SUITE_P(Loaders, EveryLoader,
                         ::testing::Values(DataLoaderOptions{}, DataLoaderOptions{.workers = 1},
                                           DataLoaderOptions{.workers = 4, .prefetch = 2},
                                           DataLoaderOptions{.workers = 3, .prefetch = 1}));

TEST(DataLoader, WorkersStayWithinTheirBound) {
  std::atomic<int64_t> made{0};
  std::atomic<int64_t> used{0};
  std::atomic<int64_t> most{0};
  const auto make = [&](std::span<const int64_t> examples) {
    int64_t ahead = ++made - used, seen = most;
    while (ahead > seen && !most.compare_exchange_weak(seen, ahead)) {
    }
    return copy(examples);
  };
  Loader loader(BatchSampler(200, {.batch_size = 1}), make, {.workers = 2, .prefetch = 3});
  for (Examples& batch : loader) used += static_cast<int64_t>(batch.size());
  EXPECT_EQ(made, 200);
  EXPECT_LE(most, 4) << "three that wait and the one in hand";
}

TEST(DataLoader, EndsWhileWorkersAreBusy) {
  const auto slow = [](std::span<const int64_t> examples) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return copy(examples);
  };
  for (int i = 0; i < 5; ++i) {
    Loader loader(some_sampler(), slow, {.workers = 4});
    EXPECT_FALSE((*loader.begin()).empty());
  }
}

TEST(DataLoader, RefusesBadOptions) {
  EXPECT_THROW(Loader(some_sampler(), copy, {.workers = -1}), ValueError);
  EXPECT_THROW(Loader(some_sampler(), copy, {.workers = 1, .prefetch = 0}), ValueError);
}

}  // namespace
}  // namespace fovea::data
