#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::test {

/// A message of protocol buffers, read as the format's description says.
class Message {
 public:
  explicit Message(std::string_view bytes) {
    while (!bytes.empty()) {
      const uint64_t tag = varint(bytes);
      Field field{static_cast<int>(tag >> 3), 0, {}};
      switch (tag & 7) {
        case 0:
          field.number = static_cast<int64_t>(varint(bytes));
          break;
        case 1:
          field.bytes = take(bytes, 8);
          break;
        case 2:
          field.bytes = take(bytes, varint(bytes));
          break;
        case 5:
          field.bytes = take(bytes, 4);
          break;
        default:
          throw std::runtime_error("no such wire type");
      }
      fields_.push_back(field);
    }
  }

  std::vector<int64_t> numbers(int id) const {
    std::vector<int64_t> found;
    for (const Field& field : fields_) {
      if (field.id == id) found.push_back(field.number);
    }
    return found;
  }
  std::vector<std::string> texts(int id) const {
    std::vector<std::string> found;
    for (const Field& field : fields_) {
      if (field.id == id) found.push_back(field.bytes);
    }
    return found;
  }
  /// The only field of that number.
  int64_t number(int id) const { return one(numbers(id)); }
  std::string text(int id) const { return one(texts(id)); }
  float real(int id) const {
    float value;
    const std::string bytes = text(id);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

 private:
  struct Field {
    int id;
    int64_t number;
    std::string bytes;
  };
  template <class T>
  static T one(const std::vector<T>& found) {
    if (found.size() != 1) throw std::runtime_error("not one such field");
    return found[0];
  }
  static std::string_view take(std::string_view& bytes, uint64_t count) {
    if (count > bytes.size()) throw std::runtime_error("the message ends within a field");
    const std::string_view taken = bytes.substr(0, count);
    bytes.remove_prefix(count);
    return taken;
  }
  static uint64_t varint(std::string_view& bytes) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(bytes, 1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  std::vector<Field> fields_;
};

}  // namespace fovea::test
