#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace fovea::data {

/// Threads that make items 0 to count - 1 ahead of their use, at most `depth` of them waiting; `next` hands them out in
/// order. The destructor waits for the items in the making and drops the rest.
template <class Item>
class Prefetch {
 public:
  Prefetch(int64_t count, int workers, int depth, std::function<Item(int64_t)> make)
      : count_(count), make_(std::move(make)), slots_(static_cast<size_t>(depth)) {
    try {
      for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  ~Prefetch() { stop(); }

  /// The next item, none behind the last. Throws what its making threw.
  std::optional<Item> next() {
    std::unique_lock lock(mutex_);
    if (taken_ == count_) return std::nullopt;
    Slot& slot = slot_of(taken_);
    finished_.wait(lock, [&] { return slot.item || slot.error; });
    Slot result = std::exchange(slot, {});
    ++taken_;
    lock.unlock();
    room_.notify_all();
    if (result.error) std::rethrow_exception(result.error);
    return std::move(result.item);
  }

 private:
  struct Slot {
    std::optional<Item> item;
    std::exception_ptr error;
  };

  Slot& slot_of(int64_t i) { return slots_[static_cast<size_t>(i) % slots_.size()]; }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      room_.wait(lock, [this] {
        return stopping_ || started_ == count_ || started_ < taken_ + static_cast<int64_t>(slots_.size());
      });
      if (stopping_ || started_ == count_) return;
      const int64_t i = started_++;
      lock.unlock();
      Slot made;
      try {
        made.item.emplace(make_(i));
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      slot_of(i) = std::move(made);
      finished_.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  int64_t count_;
  std::function<Item(int64_t)> make_;
  std::mutex mutex_;
  std::condition_variable room_;      // a slot became free, or it is over
  std::condition_variable finished_;  // an item was made
  std::vector<Slot> slots_;           // item i waits in slot i % depth
  int64_t started_ = 0;
  int64_t taken_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fovea::data
