#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "fovea/train/process_group.h"

namespace fovea::test {

/// A rank without others.
class OneRank : public train::ProcessGroup {
 public:
  class Done : public Pending {
   public:
    bool test() override { return true; }
    void wait() override {}
  };

  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<Pending> start_all_reduce(std::span<float>) override { return std::make_unique<Done>(); }
  void all_reduce(std::span<double>) override {}
  void broadcast(std::span<std::byte>) override {}
  std::vector<std::byte> all_gather(std::span<const std::byte> own, std::span<const size_t>) override {
    return {own.begin(), own.end()};
  }
  void set_patience(double) override {}
  void finish() override {}
  [[noreturn]] void abandon(int) override { std::abort(); }
};

}  // namespace fovea::test
