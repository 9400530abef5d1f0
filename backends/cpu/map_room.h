#pragma once

#include <cstddef>
#include <memory>

namespace fovea::cpu {

/// An array of `count` values for the time of a call: in place up to N, so that common calls allocate nothing.
template <class T, size_t N>
class Room {
 public:
  explicit Room(size_t count) : heap_(count > N ? std::make_unique<T[]>(count) : nullptr) {}
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  T* data() { return heap_ ? heap_.get() : local_; }
  const T* data() const { return heap_ ? heap_.get() : local_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }

 private:
  std::unique_ptr<T[]> heap_;
  T local_[N];
};

}  // namespace fovea::cpu
