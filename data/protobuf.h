#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Protocol buffers' wire format, as far as files need it that are written by hand: each field is a tag (its number and
// how it is encoded) and a value; a message within a message is its bytes.
namespace fovea::data::protobuf {

void put(std::string& out, int field, int64_t value);
void put(std::string& out, int field, double value);
void put(std::string& out, int field, float value);
void put(std::string& out, int field, std::string_view bytes);
/// Packed: one field for all of them.
void put(std::string& out, int field, const std::vector<double>& values);

/// The bytes of a number as they lie in such files.
template <class T>
void little_endian(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace fovea::data::protobuf
