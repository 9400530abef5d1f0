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
  Buffer* buffer() const { return buffer_.get(); }

 private:
  BufferRef buffer_;
};

/// Uninitialised floats, aligned for vectors, as many as were ever asked for. For packing operands: how much that takes has a
/// bound, and no memory limit of tensors should depend on which threads pack at the same time.
class PackingRoom {
 public:
  float* get(int64_t count) {
    if (size_ < count) {
      *this = {};
      data_.reset(static_cast<float*>(::operator new(static_cast<size_t>(count) * sizeof(float), alignment)));
      size_ = count;
    }
    return data_.get();
  }
  const float* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(float* room) const { ::operator delete(room, alignment); }
  };

  std::unique_ptr<float, Free> data_;
  int64_t size_ = 0;
};

/// What a thread packs at the same time.
enum class PackedPart { edge, panels, rows, bf16_edge, bf16_panels, split_edge, split_panels, split_rows, pictures };

/// Room for `count` floats that stays with the calling thread until it asks for the same again.
template <PackedPart part>
float* thread_room(int64_t count) {
  thread_local PackingRoom room;
  return room.get(count);
}

}  // namespace fovea::cpu
