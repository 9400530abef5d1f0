#include "capture/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include "fovea/backends/backend.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<size_t> allocations{0};

void* counted(size_t bytes, size_t alignment) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}
void* counted_or_throw(size_t bytes, size_t alignment) {
  void* block = counted(bytes, alignment);
  if (!block) throw std::bad_alloc();
  return block;
}
}  // namespace

namespace fovea::test {

size_t count_allocations(const std::function<void()>& work) {
  allocations = 0;
  counting = true;
  work();
  counting = false;
  return allocations;
}

bool keeps_freed_memory() {
  Backend& device = backend(Device::cpu());
  { const BufferRef freed = device.allocate(1 << 20); }
  return device.memory().cached > 0;
}

}  // namespace fovea::test

void* operator new(size_t bytes) { return counted_or_throw(bytes, 1); }
void* operator new[](size_t bytes) { return counted_or_throw(bytes, 1); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes, 1); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return counted_or_throw(bytes, static_cast<size_t>(alignment));
}
void* operator new[](size_t bytes, std::align_val_t alignment) {
  return counted_or_throw(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t, std::align_val_t) noexcept { std::free(block); }
