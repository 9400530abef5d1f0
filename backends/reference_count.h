#pragma once

#include <atomic>
#include <cstdint>

namespace fovea {

/// How many hold an object, which is made with none. Whoever is alone with it needs no locked instruction: nobody else has
/// a reference that another thread could copy. Inlined always: calls would take as long as what they do.
class ReferenceCount {
 public:
  [[gnu::always_inline]] uint32_t value() const noexcept { return count_.load(std::memory_order_acquire); }
  [[gnu::always_inline]] void add() noexcept {
    if (count_.load(std::memory_order_relaxed) == 0) return count_.store(1, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  /// Takes one away; true where it was the last.
  [[gnu::always_inline, nodiscard]] bool drop() noexcept {
    if (count_.load(std::memory_order_acquire) != 1) return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    count_.store(0, std::memory_order_relaxed);
    return true;
  }

 private:
  std::atomic<uint32_t> count_{0};
};

}  // namespace fovea
