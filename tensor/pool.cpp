#include "fovea/tensor/pool.h"

#include <array>
#include <utility>

namespace fovea::detail {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool pooling = false;  // so that the sanitizers see every object's life
#else
constexpr bool pooling = true;
#endif

constexpr size_t step = 64;
constexpr size_t classes = 32;      // up to 2 KiB: the largest node
constexpr size_t most_kept = 4096;  // blocks a class and thread

struct Block {
  Block* next;
};

struct FreeLists {
  std::array<Block*, classes> first{};
  std::array<size_t, classes> count{};
  bool watched = false;  // by an EndOfThread
  bool gone = false;
};

// Without a destructor: handles of static storage may die later, and whatever has one is asked for by a function's call.
constinit thread_local FreeLists lists;

struct EndOfThread {
  void watch() { lists.watched = true; }
  ~EndOfThread() {
    lists.gone = true;
    for (Block*& block : lists.first) {
      while (block) ::operator delete(std::exchange(block, block->next));
    }
  }
};

}  // namespace

void* pool_allocate(size_t bytes) {
  const size_t index = (bytes - 1) / step;
  if (!pooling || index >= classes) return ::operator new(bytes);
  FreeLists& mine = lists;
  Block* const block = mine.first[index];
  if (!block) return ::operator new((index + 1) * step);
  mine.first[index] = block->next;
  --mine.count[index];
  return block;
}

void pool_release(void* block, size_t bytes) noexcept {
  const size_t index = (bytes - 1) / step;
  if (!pooling || index >= classes) return ::operator delete(block);
  FreeLists& mine = lists;
  if (mine.count[index] == most_kept || mine.gone) return ::operator delete(block);
  if (!mine.watched) {
    static thread_local EndOfThread end;
    end.watch();
  }
  mine.first[index] = new (block) Block{mine.first[index]};
  ++mine.count[index];
}

}  // namespace fovea::detail
