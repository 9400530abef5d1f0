#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace fovea {

/// An array that lives in its owner up to four elements, numbers and pointers uninitialised.
template <class T>
class Few {
 public:
  explicit Few(size_t size) : size_(size) {
    if (size > few) {
      many_.resize(size);
    } else {
      // Clearing the room would take longer than its use.
      std::uninitialized_default_construct_n(inline_data(), size);
    }
  }
  ~Few() {
    if (size_ <= few) std::destroy_n(inline_data(), size_);
  }
  Few(const Few&) = delete;
  Few& operator=(const Few&) = delete;

  std::span<T> span() { return {size_ > few ? many_.data() : inline_data(), size_}; }
  T& operator[](size_t i) { return span()[i]; }
  size_t size() const { return size_; }

 private:
  static constexpr size_t few = 4;
  T* inline_data() { return std::launder(reinterpret_cast<T*>(inline_)); }

  size_t size_;
  alignas(T) std::byte inline_[few * sizeof(T)];
  std::vector<T> many_;
};

}  // namespace fovea
