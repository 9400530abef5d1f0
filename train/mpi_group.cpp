#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <string>
#include <thread>

#include "fovea/data/library_module.h"
#include "fovea/train/interrupt.h"
#include "fovea/train/mpi/functions.h"
#include "fovea/train/options.h"
#include "fovea/train/process_group.h"

// The ProcessGroup over MPI.
namespace fovea::train {
namespace {

using MpiClock = std::chrono::steady_clock;

constexpr double usual_patience = 600;     // seconds
constexpr double farewell_patience = 0.3;  // seconds, once this process was asked to end
// At first it gives its core to whoever wants it; then it sleeps, so that where there are more processes than cores the
// rank that it waits for gets on.
constexpr auto busy_time = std::chrono::milliseconds(1);
constexpr auto nap = std::chrono::microseconds(20);
constexpr int64_t most_at_once = int64_t{1} << 30;  // MPI counts in int

/// The number in an environment variable, 0 where there is none.
int number_in(const char* name) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : 0;
}

const MpiFunctions& load_mpi() {
  const std::string module = "libfovea_mpi.so";
  // Open MPI's own modules look for its symbols.
  void* found = data::load_library_module(module, mpi_functions_name, data::ModuleScope::everybodys);
  if (!found) {
    refuse(
        "started by mpirun, but Fovea was built without MPI ({} is not there): install libopenmpi-dev and build again, "
        "or start it alone",
        module);
  }
  return *reinterpret_cast<GetMpiFunctions>(found)();
}

class MpiGroup final : public ProcessGroup {
 public:
  MpiGroup() : mpi_(load_mpi()) { check(mpi_.start(&rank_, &size_)); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::unique_ptr<Pending> start_all_reduce(std::span<float> values) override {
    if (static_cast<int64_t>(values.size()) > most_at_once) throw Error("all_reduce: too many values");
    void* operation = nullptr;
    check(mpi_.sum_f32(values.data(), static_cast<int64_t>(values.size()), &operation));
    return std::make_unique<Operation>(*this, operation);
  }
  void all_reduce(std::span<double> values) override {
    void* operation = nullptr;
    check(mpi_.sum_f64(values.data(), static_cast<int64_t>(values.size()), &operation));
    wait(operation);
  }
  void broadcast(std::span<std::byte> bytes) override {
    while (!bytes.empty()) {
      const size_t count = std::min(bytes.size(), static_cast<size_t>(most_at_once));
      void* operation = nullptr;
      check(mpi_.broadcast(bytes.data(), static_cast<int64_t>(count), &operation));
      wait(operation);
      bytes = bytes.subspan(count);
    }
  }
  std::vector<std::byte> all_gather(std::span<const std::byte> own, std::span<const size_t> sizes) override {
    std::vector<int> counts, begins;
    size_t end = 0;
    for (const size_t size : sizes) {
      begins.push_back(static_cast<int>(end));
      counts.push_back(static_cast<int>(size));
      end += size;
      if (end > INT_MAX) throw Error("all_gather: the ranks have more than 2 GiB");
    }
    std::vector<std::byte> all(end);
    void* operation = nullptr;
    check(mpi_.all_gather(own.data(), static_cast<int64_t>(own.size()), all.data(), counts.data(), begins.data(),
                          &operation));
    wait(operation);
    return all;
  }

  void set_patience(double seconds) override { patience_ = seconds; }
  void finish() override { mpi_.finish(); }
  [[noreturn]] void abandon(int status) override {
    mpi_.abandon(status);
    _exit(status);
  }

 private:
  class Operation final : public Pending {
   public:
    Operation(MpiGroup& group, void* operation) : group_(group), operation_(operation) {}
    bool test() override {
      if (operation_ && group_.is_done(operation_)) operation_ = nullptr;
      return !operation_;
    }
    void wait() override {
      if (operation_) group_.wait(operation_);
      operation_ = nullptr;
    }

   private:
    MpiGroup& group_;
    void* operation_;
  };

  void check(int failed) const {
    if (failed) throw RanksLostError(fmt::format("the other ranks cannot be reached (MPI error {})", failed));
  }
  bool is_done(void* operation) const {
    int done = 0;
    check(mpi_.test(operation, &done));
    return done != 0;
  }
  /// mpirun tells the ranks that are left by SIGTERM that one has ended, a second before it kills them.
  void wait(void* operation) const {
    const auto start = MpiClock::now();
    MpiClock::time_point asked{};
    while (!is_done(operation)) {
      const auto now = MpiClock::now();
      if (now - start > std::chrono::duration<double>(patience_)) {
        throw RanksLostError(fmt::format("the other ranks have not answered for {} seconds", patience_));
      }
      if (InterruptGuard::requested()) {
        if (asked == MpiClock::time_point{}) asked = now;
        if (now - asked > std::chrono::duration<double>(farewell_patience)) {
          throw RanksLostError("another rank has ended, or all were asked to");
        }
      }
      if (now - start < busy_time) {
        sched_yield();
      } else {
        std::this_thread::sleep_for(nap);
      }
    }
  }

  const MpiFunctions& mpi_;
  int rank_ = 0, size_ = 1;
  double patience_ = usual_patience;
};

std::unique_ptr<ProcessGroup>& group_of_this_process() {
  static std::unique_ptr<ProcessGroup> group;
  return group;
}

}  // namespace

std::vector<std::byte> ProcessGroup::all_gather(std::span<const std::byte> own) {
  std::vector<double> sizes(static_cast<size_t>(size()));
  sizes[static_cast<size_t>(rank())] = static_cast<double>(own.size());
  all_reduce(sizes);
  return all_gather(own, std::vector<size_t>(sizes.begin(), sizes.end()));
}

void ProcessGroup::barrier() {
  double nothing = 0;
  all_reduce(std::span(&nothing, 1));
}

bool ProcessGroup::launched() {
  // Open MPI; MPICH and what uses its process manager.
  return std::max(number_in("OMPI_COMM_WORLD_SIZE"), number_in("PMI_SIZE")) > 1;
}

int ProcessGroup::processes_here() {
  return std::max({number_in("OMPI_COMM_WORLD_LOCAL_SIZE"), number_in("MPI_LOCALNRANKS"), 1});
}

ProcessGroup* ProcessGroup::start() {
  std::unique_ptr<ProcessGroup>& group = group_of_this_process();
  if (!group && launched()) group = std::make_unique<MpiGroup>();
  return group.get();
}

ProcessGroup* ProcessGroup::current() { return group_of_this_process().get(); }

}  // namespace fovea::train
