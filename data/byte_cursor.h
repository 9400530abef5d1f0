#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "fovea/data/file_error.h"

namespace fovea::data {

/// `value` of a file with this order of bytes, as this machine has it.
template <class T>
T from_order(T value, std::endian order) {
  if (order == std::endian::native || sizeof(T) == 1) return value;
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  for (size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(bytes[i], bytes[sizeof(T) - 1 - i]);
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// Reads a binary file's content from front to back. Errors name the file and the byte.
class ByteCursor {
 public:
  /// `name` stands for the file in errors. Both must outlive the cursor.
  ByteCursor(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  int64_t position() const { return static_cast<int64_t>(position_); }
  int64_t left() const { return static_cast<int64_t>(bytes_.size() - position_); }

  /// The next `count` bytes. Throws DataError "the file ends early, within its `what`".
  std::string_view take(int64_t count, std::string_view what) {
    if (count < 0 || count > left()) {
      fail_at_byte(name_, static_cast<int64_t>(bytes_.size()), "the file ends early, within its {}", what);
    }
    const std::string_view taken = bytes_.substr(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return taken;
  }

  /// The next number.
  template <class T>
  T number(std::endian order, std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return from_order(value, order);
  }

  /// Throws DataError at the byte `back` bytes behind.
  template <class... Args>
  [[noreturn]] void refuse(int64_t back, fmt::format_string<Args...> format, Args&&... args) const {
    fail_at_byte(name_, position() - back, format, std::forward<Args>(args)...);
  }

 private:
  std::string_view bytes_;
  std::string_view name_;
  size_t position_ = 0;
};

}  // namespace fovea::data
