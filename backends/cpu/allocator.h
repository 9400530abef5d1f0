#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "fovea/backends/backend.h"
#include "fovea/backends/cpu/arena.h"

namespace fovea::cpu {

/// Hands out host memory for buffers, aligned to 64 bytes, and keeps what comes back for the next request.
///
/// A block is a 64-byte header, which holds the Buffer itself, and its data. Small blocks (up to 256 KiB) come in size
/// classes, four per doubling; every thread keeps its own lists of them and touches shared state only when a list runs
/// dry or it holds too much. Large blocks are cut from an arena behind a lock. Built with AddressSanitizer nothing is
/// kept, so that a use after free is still found. One object a process: threads know one cache.
class Allocator {
 public:
  /// False where every request goes to the system (AddressSanitizer).
  static const bool caching;

  explicit Allocator(Backend& backend);
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  /// Throws OutOfMemoryError.
  Buffer* allocate(size_t bytes);
  void recycle(Buffer* buffer) noexcept;

  MemoryStats stats() const;
  /// Bounds the bytes kept and gives back what is over: at once for what is shared or this thread's own, at their next
  /// request for other threads'. Returns the bound before.
  size_t set_limit(size_t bytes);

 private:
  struct Block;
  struct ThreadCache;
  struct ThreadOwner;
  /// Free blocks of one size class, the last to come the first to go.
  struct FreeList {
    Block* head = nullptr;

    void push(Block* block);
    Block* pop();  // null where there is none
  };
  static constexpr size_t small_limit = size_t{256} << 10;
  static constexpr int classes = 44;

  static int class_of(size_t bytes);
  static size_t class_capacity(int size_class);
  static ThreadCache* enter_thread(Allocator& allocator);

  Block* from_system(size_t capacity);
  bool admit(size_t bytes);
  void to_system(Block* block) noexcept;
  [[noreturn]] void refuse(size_t bytes) const;
  Block* take_small(int size_class, ThreadCache* cache);
  Block* take_large(size_t bytes);
  Block* cut_from_arena(size_t bytes);
  void give_shared(Block* block) noexcept;
  void give_list(FreeList& list) noexcept;
  void leave_thread(ThreadCache& cache) noexcept;
  void note_peak(const ThreadCache& cache) const;
  void fold_counts(ThreadCache& cache) const;
  void evict() noexcept;
  size_t shared_limit() const;

  static constinit thread_local ThreadCache* current_;

  Backend& backend_;
  std::atomic<size_t> limit_;
  std::atomic<size_t> thread_limit_;
  std::atomic<size_t> held_{0};  // bytes of all blocks, kept or in use

  mutable std::mutex mutex_;  // guards all below
  std::array<FreeList, classes> small_;
  Arena arena_;
  std::vector<ThreadCache*> threads_;
  size_t cached_ = 0;  // bytes in small_
  mutable int64_t live_ = 0;
  mutable int64_t peak_ = 0;
  mutable uint64_t requests_ = 0;
  mutable uint64_t misses_ = 0;
};

}  // namespace fovea::cpu
