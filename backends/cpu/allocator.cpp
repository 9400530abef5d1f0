#include "fovea/backends/cpu/allocator.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

#include "fovea/backends/memory_limit.h"
#include "fovea/backends/round_up.h"

#if defined(__SANITIZE_ADDRESS__)
#define FOVEA_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOVEA_ADDRESS_SANITIZER 1
#endif
#endif

namespace fovea::cpu {
namespace {

constexpr size_t header = 64;
// What a thread may have taken, or given, before its counts join those of all.
constexpr int64_t fold_bytes = 1 << 20;

// The owner alone writes these counters, others read them: no read-modify-write is needed.
template <class T>
void bump(std::atomic<T>& counter, T by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

size_t physical_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(size) : size_t{4} << 30;
}

/// With what it may swap out. The system promises more, and ends the program where that is used.
size_t machine_memory() {
  static const size_t bytes = [] {
    struct sysinfo info = {};
    return sysinfo(&info) == 0 ? (info.totalram + info.totalswap) * info.mem_unit : SIZE_MAX;
  }();
  return bytes;
}

}  // namespace

struct alignas(header) Allocator::Block {
  Buffer buffer;
  size_t capacity;  // of the data; the top bit says that it belongs to a size class
  Block* next;      // in a free list

  static constexpr size_t small_bit = ~(~size_t{0} >> 1);

  Block(Backend& backend, size_t data_bytes, bool small)
      : buffer(backend, data(), 0, 0), capacity(data_bytes | (small ? small_bit : 0)), next(nullptr) {}

  std::byte* data() { return reinterpret_cast<std::byte*>(this) + header; }
  size_t bytes() const { return capacity & ~small_bit; }
  bool small() const { return capacity & small_bit; }
  static Block* of(Buffer* buffer) { return reinterpret_cast<Block*>(buffer); }
};

void Allocator::FreeList::push(Block* block) {
  block->next = head;
  head = block;
}

Allocator::Block* Allocator::FreeList::pop() {
  Block* block = head;
  if (block) head = block->next;
  return block;
}

// What a thread keeps for itself. Counters cover the time since they were last folded into the allocator's.
struct Allocator::ThreadCache {
  std::array<FreeList, classes> lists;
  std::atomic<size_t> cached{0};
  std::atomic<int64_t> live{0};
  std::atomic<int64_t> live_peak{0};
  std::atomic<uint64_t> requests{0};
};

// Lives as long as its thread and gives the thread's cache back at the end of it.
struct Allocator::ThreadOwner {
  Allocator& allocator;
  ThreadCache cache;

  explicit ThreadOwner(Allocator& shared) : allocator(shared) {
    const std::lock_guard lock(allocator.mutex_);
    allocator.threads_.push_back(&cache);
  }
  ~ThreadOwner() { allocator.leave_thread(cache); }
};

#ifdef FOVEA_ADDRESS_SANITIZER
constinit const bool Allocator::caching = false;
#else
constinit const bool Allocator::caching = true;
#endif

constinit thread_local Allocator::ThreadCache* Allocator::current_ = nullptr;

namespace {
// Set once the thread's cache is gone: buffers freed later in the thread's end go to the shared lists.
constinit thread_local bool thread_left = false;
}  // namespace

Allocator::Allocator(Backend& backend) : backend_(backend) {
  static_assert(sizeof(Block) == header);
  set_limit(physical_memory() / 4);
}

int Allocator::class_of(size_t bytes) {
  const size_t last = bytes ? (bytes - 1) / 64 : 0;
  if (last < 4) return static_cast<int>(last);
  const int scale = std::bit_width(last) - 3;
  return scale * 4 + static_cast<int>(last >> scale);
}

size_t Allocator::class_capacity(int size_class) {
  if (size_class < 4) return static_cast<size_t>(size_class + 1) * 64;
  const int scale = (size_class - 4) / 4, quarter = 4 + (size_class - 4) % 4;
  return (static_cast<size_t>(quarter + 1) << scale) * 64;
}

Allocator::ThreadCache* Allocator::enter_thread(Allocator& allocator) {
  if (thread_left) return nullptr;
  static thread_local ThreadOwner owner(allocator);
  return current_ = &owner.cache;
}

Buffer* Allocator::allocate(size_t bytes) {
  ThreadCache* cache = current_ ? current_ : enter_thread(*this);
  Block* block = nullptr;
  if (caching && bytes <= small_limit) {
    const int size_class = class_of(bytes);
    block = cache ? cache->lists[static_cast<size_t>(size_class)].pop() : nullptr;
    if (block) {
      bump(cache->cached, size_t{0} - block->bytes());
    } else {
      block = take_small(size_class, cache);
    }
  } else {
    block = take_large(bytes);
  }
  const auto signed_bytes = static_cast<int64_t>(bytes);
  if (cache) {
    bump(cache->requests, uint64_t{1});
    bump(cache->live, signed_bytes);
    if (cache->live.load(std::memory_order_relaxed) > cache->live_peak.load(std::memory_order_relaxed))
      cache->live_peak.store(cache->live.load(std::memory_order_relaxed), std::memory_order_relaxed);
    if (cache->live.load(std::memory_order_relaxed) > fold_bytes) {
      const std::lock_guard lock(mutex_);
      fold_counts(*cache);
    }
  } else {
    const std::lock_guard lock(mutex_);
    ++requests_;
    live_ += signed_bytes;
    peak_ = std::max(peak_, live_);
  }
  return ::new (&block->buffer) Buffer(backend_, block->data(), 0, bytes);
}

void Allocator::recycle(Buffer* buffer) noexcept {
  ThreadCache* cache = current_ ? current_ : enter_thread(*this);
  Block* block = Block::of(buffer);
  const auto bytes = static_cast<int64_t>(buffer->bytes());
  if (cache) {
    bump(cache->live, -bytes);
  } else {
    const std::lock_guard lock(mutex_);
    live_ -= bytes;
  }
  if (!caching) return to_system(block);
  if (!cache || !block->small()) {
    const std::lock_guard lock(mutex_);
    if (cache) fold_counts(*cache);
    if (block->small()) {
      give_shared(block);
    } else {
      arena_.give(reinterpret_cast<std::byte*>(block), header + block->bytes());
    }
    return evict();
  }
  cache->lists[static_cast<size_t>(class_of(block->bytes()))].push(block);
  bump(cache->cached, block->bytes());
  // What one thread keeps another cannot have, so that little is where memory is bounded.
  const size_t bound = memory_limit(Device::Kind::cpu);
  const size_t most = std::min(thread_limit_.load(std::memory_order_relaxed), bound > 0 ? bound / 64 : SIZE_MAX);
  if (cache->cached.load(std::memory_order_relaxed) <= most) return;
  const std::lock_guard lock(mutex_);
  for (FreeList& each : cache->lists) give_list(each);
  cache->cached.store(0, std::memory_order_relaxed);
  fold_counts(*cache);
  evict();
}

Allocator::Block* Allocator::from_system(size_t capacity) {
  for (bool retry : {false, true}) {
    void* memory = nullptr;
    const bool admitted = admit(header + capacity);
    if (admitted) memory = std::aligned_alloc(header, round_up(header + capacity, header));
    if (memory) return ::new (memory) Block(backend_, capacity, true);
    if (admitted) held_ -= header + capacity;
    // What is kept may be just what is missing.
    if (!retry) set_limit(set_limit(0));
  }
  refuse(capacity);
}

void Allocator::refuse(size_t bytes) const {
  if (const size_t limit = memory_limit(Device::Kind::cpu)) {
    raise_here<OutOfMemoryError>("cpu: no memory for {} bytes ({} in use, {} allowed)", bytes, stats().live, limit);
  }
  raise_here<OutOfMemoryError>("cpu: no memory for {} bytes ({} in use, the machine has {})", bytes, stats().live,
                               machine_memory());
}

/// Counts the bytes in unless they would exceed the limit, or what the machine has.
bool Allocator::admit(size_t bytes) {
  const size_t limit = memory_limit(Device::Kind::cpu), held = held_.fetch_add(bytes) + bytes;
  if (held <= (limit == 0 ? machine_memory() : limit)) return true;
  held_ -= bytes;
  return false;
}

void Allocator::to_system(Block* block) noexcept {
  held_ -= header + block->bytes();
  std::free(block);
}

// A list that ran dry is refilled from the shared one, a few blocks at a time so that the lock is seldom taken. Before
// asking the system, blocks of the next classes will do too: a slightly wrong size in hand beats new memory.
Allocator::Block* Allocator::take_small(int size_class, ThreadCache* cache) {
  const auto position = static_cast<size_t>(size_class);
  const size_t last = std::min<size_t>(position + 3, classes - 1);
  {
    const std::lock_guard lock(mutex_);
    for (size_t c = position; c <= last; ++c) {
      FreeList& shared = small_[c];
      Block* block = shared.pop();
      if (!block) {
        if (cache && c != position) block = cache->lists[c].pop();
        if (!block) continue;
        bump(cache->cached, size_t{0} - block->bytes());
        return block;
      }
      cached_ -= block->bytes();
      if (!cache || c != position) return block;
      const size_t capacity = block->bytes(), room = thread_limit_.load(std::memory_order_relaxed) / 4;
      for (size_t kept = capacity; shared.head && kept <= std::min<size_t>(size_t{64} << 10, room); kept += capacity) {
        cache->lists[c].push(shared.pop());
        cached_ -= capacity;
        bump(cache->cached, capacity);
      }
      return block;
    }
    ++misses_;
  }
  return from_system(class_capacity(size_class));
}

Allocator::Block* Allocator::take_large(size_t bytes) {
  if (bytes > SIZE_MAX / 8) refuse(bytes);
  if (!caching) return from_system(bytes);
  for (bool retry : {false, true}) {
    if (Block* block = cut_from_arena(round_up(header + bytes, Arena::page()))) return block;
    if (!retry) set_limit(set_limit(0));
  }
  refuse(bytes);
}

// Null where the system or the limit refuses.
Allocator::Block* Allocator::cut_from_arena(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto place = arena_.find(bytes);
  if (!place || !admit(place->fresh)) return nullptr;
  if (place->fresh > 0) ++misses_;
  return ::new (arena_.take(*place, bytes)) Block(backend_, bytes - header, false);
}

void Allocator::give_shared(Block* block) noexcept {
  small_[static_cast<size_t>(class_of(block->bytes()))].push(block);
  cached_ += block->bytes();
}

void Allocator::give_list(FreeList& list) noexcept {
  while (Block* block = list.pop()) give_shared(block);
}

void Allocator::leave_thread(ThreadCache& cache) noexcept {
  current_ = nullptr;
  thread_left = true;
  const std::lock_guard lock(mutex_);
  for (FreeList& list : cache.lists) give_list(list);
  fold_counts(cache);
  std::erase(threads_, &cache);
  evict();
}

// The most that this thread held since its counts were folded, beside what others hold now.
void Allocator::note_peak(const ThreadCache& cache) const {
  int64_t bytes = live_;
  for (const ThreadCache* each : threads_)
    bytes += (each == &cache ? each->live_peak : each->live).load(std::memory_order_relaxed);
  peak_ = std::max(peak_, bytes);
}

void Allocator::fold_counts(ThreadCache& cache) const {
  note_peak(cache);
  live_ += cache.live.load(std::memory_order_relaxed);
  requests_ += cache.requests.load(std::memory_order_relaxed);
  cache.live.store(0, std::memory_order_relaxed);
  cache.live_peak.store(0, std::memory_order_relaxed);
  cache.requests.store(0, std::memory_order_relaxed);
}

size_t Allocator::shared_limit() const {
  const size_t held = threads_.size() * thread_limit_.load(std::memory_order_relaxed), limit = limit_.load();
  return limit > held ? limit - held : 0;
}

// Large memory goes first, then small blocks from the largest class down.
void Allocator::evict() noexcept {
  const size_t limit = shared_limit();
  if (cached_ + arena_.kept() <= limit) return;
  held_ -= arena_.trim(limit - std::min(limit, cached_));
  for (size_t c = classes; c-- > 0 && cached_ > limit;) {
    while (cached_ > limit && small_[c].head) {
      Block* block = small_[c].pop();
      cached_ -= block->bytes();
      to_system(block);
    }
  }
}

size_t Allocator::set_limit(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const size_t before = limit_.exchange(bytes);
  thread_limit_.store(std::min<size_t>(bytes / 16, size_t{16} << 20));
  if (ThreadCache* cache = current_) {
    if (cache->cached.load(std::memory_order_relaxed) > thread_limit_.load()) {
      for (FreeList& list : cache->lists) give_list(list);
      cache->cached.store(0, std::memory_order_relaxed);
    }
  }
  evict();
  return before;
}

MemoryStats Allocator::stats() const {
  const std::lock_guard lock(mutex_);
  int64_t live = live_;
  uint64_t requests = requests_;
  size_t cached = cached_ + arena_.kept();
  for (const ThreadCache* cache : threads_) {
    note_peak(*cache);
    live += cache->live.load(std::memory_order_relaxed);
    requests += cache->requests.load(std::memory_order_relaxed);
    cached += cache->cached.load(std::memory_order_relaxed);
  }
  return {.live = static_cast<size_t>(std::max<int64_t>(live, 0)),
          .peak = static_cast<size_t>(peak_),
          .cached = cached,
          .requests = requests,
          .misses = misses_};
}

}  // namespace fovea::cpu
