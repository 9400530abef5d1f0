#include "fovea/data/protobuf.h"

#include <bit>

namespace fovea::data::protobuf {
namespace {

static_assert(std::endian::native == std::endian::little, "protocol buffers are little-endian");

void varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

}  // namespace

void put(std::string& out, int field, int64_t value) {
  varint(out, static_cast<uint64_t>(field) << 3);
  varint(out, static_cast<uint64_t>(value));
}

void put(std::string& out, int field, double value) {
  varint(out, static_cast<uint64_t>(field) << 3 | 1);
  little_endian(out, value);
}

void put(std::string& out, int field, float value) {
  varint(out, static_cast<uint64_t>(field) << 3 | 5);
  little_endian(out, value);
}

void put(std::string& out, int field, std::string_view bytes) {
  varint(out, static_cast<uint64_t>(field) << 3 | 2);
  varint(out, bytes.size());
  out += bytes;
}

void put(std::string& out, int field, const std::vector<double>& values) {
  std::string bytes;
  for (const double each : values) little_endian(bytes, each);
  put(out, field, std::string_view(bytes));
}

}  // namespace fovea::data::protobuf
