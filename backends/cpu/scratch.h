#pragma once

#include <memory>
#include <new>

#include "fovea/backends/backend.h"
#include "fovea/backends/factories.h"

namespace fovea::cpu {

/// Uninitialised room for `count` values for the time of a call, from the backend's allocator.
template <class T>
class Scratch {
 public:
  Scratch() = default;
  explicit Scratch(int64_t count) : buffer_(cpu_backend().allocate(static_cast<size_t>(count) * sizeof(T))) {}

  T* data() const { return reinterpret_cast<T*>(buffer_->host()); }
  T& operator[](int64_t i) const { return data()[i]; }

 private:
  BufferRef buffer_;
};

/// Uninitialised room for `count` floats, aligned for vectors, that stays with the calling thread until it asks again. For
/// packing operands: how much that takes has a bound, and no memory limit of tensors should depend on which threads pack at
/// the same time. One room for each number.
template <int number = 0>
float* thread_room(int64_t count) {
  constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(float* room) const { ::operator delete(room, alignment); }
  };
  struct Room {
    std::unique_ptr<float, Free> data;
    int64_t size = 0;
  };
  thread_local Room room;
  if (room.size < count) {
    room = {};
    room.data.reset(static_cast<float*>(::operator new(static_cast<size_t>(count) * sizeof(float), alignment)));
    room.size = count;
  }
  return room.data.get();
}

}  // namespace fovea::cpu
