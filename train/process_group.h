#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::train {

/// The other processes of a run cannot be reached: one has ended, or they did not answer in time.
struct RanksLostError : Error {
  using Error::Error;
};

/// Processes that train one model together. Each has a rank, from 0 on. All ranks call the same operations in the same
/// order; what an operation leaves is the same on every rank, bit for bit. No operation waits without end: it throws
/// RanksLostError.
class ProcessGroup {
 public:
  /// An operation under way: what it works on must outlive it and stay untouched until it is done.
  class Pending {
   public:
    virtual ~Pending() = default;
    /// Moves it forward; whether it is done.
    virtual bool test() = 0;
    virtual void wait() = 0;
  };

  virtual ~ProcessGroup() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  bool first() const { return rank() == 0; }

  /// Replaces each value by its sum over the ranks.
  virtual std::unique_ptr<Pending> start_all_reduce(std::span<float> values) = 0;
  virtual void all_reduce(std::span<double> values) = 0;
  /// Gives every rank the bytes of rank 0.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  /// The bytes of all ranks, in their order; they may differ in number, and all know `sizes`.
  virtual std::vector<std::byte> all_gather(std::span<const std::byte> own, std::span<const size_t> sizes) = 0;
  std::vector<std::byte> all_gather(std::span<const std::byte> own);
  /// Waits until all ranks have come here.
  void barrier();

  /// How many seconds an operation waits for the other ranks.
  virtual void set_patience(double seconds) = 0;
  /// Says that this rank is through; no operation may follow. Not bounded: the last rank is waited for.
  virtual void finish() = 0;
  /// Ends all ranks, and this process with `status`.
  [[noreturn]] virtual void abandon(int status) = 0;

  /// Whether mpirun (or another starter of MPI programs) started this process beside others, as its environment says.
  static bool launched();
  /// How many processes of such a start run on this machine; 1 without.
  static int processes_here();
  /// The group that this process was started in, null where it was started alone. Throws UsageError where the library
  /// was built without MPI or its module is missing.
  static ProcessGroup* start();
  /// What `start` returned; null before.
  static ProcessGroup* current();
};

/// Values of any plain type of all ranks.
template <class T>
std::vector<T> all_gather(ProcessGroup& group, std::span<const T> own) {
  const std::vector<std::byte> bytes = group.all_gather(std::as_bytes(own));
  std::vector<T> all(bytes.size() / sizeof(T));
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(all)).begin());
  return all;
}

}  // namespace fovea::train
