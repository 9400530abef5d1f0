#pragma once

#include <cstddef>
#include <new>

namespace fovea {
namespace detail {

/// A block of at least `bytes` from the calling thread's free lists; small sizes only are kept.
void* pool_allocate(size_t bytes);
void pool_release(void* block, size_t bytes) noexcept;

}  // namespace detail

/// Gives T (or what derives from it) pooled `new` and `delete`: graph nodes and tensor handles come and go in their
/// thousands, and the general allocator would be a third of a small operation's cost.
template <class T>
struct Pooled {
  static void* operator new(size_t bytes) { return detail::pool_allocate(bytes); }
  static void operator delete(void* block, size_t bytes) noexcept { detail::pool_release(block, bytes); }
};

}  // namespace fovea
