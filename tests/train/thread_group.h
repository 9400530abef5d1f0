#pragma once

#include <barrier>
#include <functional>
#include <thread>

#include "fovea/train/process_group.h"

// Ranks that are threads of one process.
namespace fovea::test {

class ThreadGroup final : public train::ProcessGroup {
 public:
  /// What the ranks share.
  struct Meeting {
    explicit Meeting(int ranks) : place(ranks), values(static_cast<size_t>(ranks)), bytes(values.size()) {}
    std::barrier<> place;
    std::vector<std::span<const double>> values;
    std::vector<std::span<const std::byte>> bytes;
  };

  ThreadGroup(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(meeting_.values.size()); }

  std::unique_ptr<Pending> start_all_reduce(std::span<float> values) override {
    return std::make_unique<Sum>(*this, values);
  }
  void all_reduce(std::span<double> values) override {
    const std::vector<double> own(values.begin(), values.end());
    meeting_.values[static_cast<size_t>(rank_)] = own;
    meeting_.place.arrive_and_wait();
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = 0;
      for (const auto& each : meeting_.values) values[i] += each[i];
    }
    meeting_.place.arrive_and_wait();
  }
  void broadcast(std::span<std::byte> bytes) override {
    const std::vector<std::byte> all = all_gather(bytes, {});
    std::copy_n(all.begin(), bytes.size(), bytes.begin());
  }
  std::vector<std::byte> all_gather(std::span<const std::byte> own, std::span<const size_t>) override {
    meeting_.bytes[static_cast<size_t>(rank_)] = own;
    meeting_.place.arrive_and_wait();
    std::vector<std::byte> all;
    for (const auto& each : meeting_.bytes) all.insert(all.end(), each.begin(), each.end());
    meeting_.place.arrive_and_wait();
    return all;
  }
  void set_patience(double) override {}
  void finish() override {}
  [[noreturn]] void abandon(int) override { std::abort(); }

 private:
  class Sum final : public Pending {
   public:
    Sum(ThreadGroup& group, std::span<float> values)
        : group_(group), values_(values), sums_(values.begin(), values.end()) {}
    bool test() override { return false; }
    void wait() override {
      group_.all_reduce(sums_);
      for (size_t i = 0; i < sums_.size(); ++i) values_[i] = static_cast<float>(sums_[i]);
    }

   private:
    ThreadGroup& group_;
    std::span<float> values_;
    std::vector<double> sums_;  // of the values as they were at the start, which is when MPI may read them
  };

  Meeting& meeting_;
  int rank_;
};

/// Runs `body` as each rank.
inline void as_ranks(int ranks, const std::function<void(train::ProcessGroup&)>& body) {
  ThreadGroup::Meeting meeting(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadGroup group(meeting, rank);
      body(group);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace fovea::test
