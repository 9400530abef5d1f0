#pragma once

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

}  // namespace fovea::cpu
