#include "fovea/tensor/pool.h"

#include <array>

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
  ~FreeLists();
};

// Handles of static storage may die after the thread's lists; a flag without destructor outlives both.
thread_local bool lists_gone = false;
thread_local FreeLists lists;

FreeLists::~FreeLists() {
  lists_gone = true;
  for (Block* block : first) {
    while (block) {
      Block* next = block->next;
      ::operator delete(block);
      block = next;
    }
  }
}

}  // namespace

void* pool_allocate(size_t bytes) {
  const size_t index = (bytes - 1) / step;
  if (!pooling || index >= classes || lists_gone) return ::operator new(bytes);
  if (Block* block = lists.first[index]) {
    lists.first[index] = block->next;
    --lists.count[index];
    return block;
  }
  return ::operator new((index + 1) * step);
}

void pool_release(void* block, size_t bytes) noexcept {
  const size_t index = (bytes - 1) / step;
  if (!pooling || index >= classes || lists_gone || lists.count[index] == most_kept) {
    ::operator delete(block);
    return;
  }
  lists.first[index] = new (block) Block{lists.first[index]};
  ++lists.count[index];
}

}  // namespace fovea::detail
