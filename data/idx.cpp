#include "fovea/data/idx.h"

#include "fovea/data/byte_cursor.h"
#include "fovea/data/byte_reader.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

constexpr size_t most_idx_bytes = size_t{1} << 33;
constexpr int64_t most_axes = 8;

int64_t size_of(IdxArray::Type type) {
  switch (type) {
    case IdxArray::Type::u8:
    case IdxArray::Type::i8:
      return 1;
    case IdxArray::Type::i16:
      return 2;
    case IdxArray::Type::i32:
    case IdxArray::Type::f32:
      return 4;
    default:
      return 8;
  }
}

/// The elements, stored as Stored with the most significant byte first, as T.
template <class Stored, class T>
Tensor elements(const IdxArray& array) {
  std::vector<T> values(array.bytes.size() / sizeof(Stored));
  for (size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, array.bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<T>(from_order(stored, std::endian::big));
  }
  return from_vector(values, Shape(std::span<const int64_t>(array.shape)));
}

}  // namespace

Tensor IdxArray::to_tensor() const {
  switch (type) {
    case Type::u8:
      return elements<uint8_t, int32_t>(*this);
    case Type::i8:
      return elements<int8_t, int32_t>(*this);
    case Type::i16:
      return elements<int16_t, int32_t>(*this);
    case Type::i32:
      return elements<int32_t, int32_t>(*this);
    case Type::f32:
      return elements<float, float>(*this);
    default:
      return elements<double, double>(*this);
  }
}

IdxArray parse_idx(std::string_view bytes, std::string_view name) {
  ByteCursor cursor(bytes, name);
  if (cursor.number<uint16_t>(std::endian::big, "header") != 0)
    fail_beginning(name, "an IDX file", "\\x00\\x00", bytes);
  const auto type = cursor.number<uint8_t>(std::endian::big, "header");
  if (type != 0x08 && type != 0x09 && (type < 0x0b || type > 0x0e)) {
    cursor.refuse(1, "0x{:02x} is no type of elements that IDX has", type);
  }
  const auto axes = cursor.number<uint8_t>(std::endian::big, "header");
  if (axes < 1 || axes > most_axes) cursor.refuse(1, "an array of {} axes; 1 to {} can be read", axes, most_axes);

  IdxArray array{.type = static_cast<IdxArray::Type>(type), .shape = {}, .bytes = {}};
  int64_t size = size_of(array.type);
  for (int i = 0; i < axes; ++i) {
    array.shape.push_back(cursor.number<uint32_t>(std::endian::big, "header"));
    if (array.shape.back() == 0) cursor.refuse(4, "the array is empty: axis {} has size 0", i);
    if (size > static_cast<int64_t>(most_idx_bytes) / array.shape.back()) {
      cursor.refuse(4, "the array would take more than {} bytes", most_idx_bytes);
    }
    size *= array.shape.back();
  }
  if (cursor.left() < size) {
    fail_at_byte(name, static_cast<int64_t>(bytes.size()), "the file ends early; {} bytes of elements are missing",
                 size - cursor.left());
  }
  array.bytes = cursor.take(size, "elements");
  if (cursor.left() > 0) cursor.refuse(0, "{} bytes follow the last element", cursor.left());
  return array;
}

IdxArray load_idx(const std::string& path) { return parse_idx(read_unpacked(path, most_idx_bytes), path); }

}  // namespace fovea::data
