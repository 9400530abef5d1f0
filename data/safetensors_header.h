#pragma once

#include <map>
#include <string>
#include <string_view>

#include "fovea/data/safetensors.h"

// The JSON header of a safetensors file, apart from the bytes of tensors.
namespace fovea::data {

struct SafetensorsHeader {
  std::map<std::string, SafetensorsFile::Info> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads and checks a header whose file has `data_bytes` bytes behind it. Throws DataError.
SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view json, size_t data_bytes);

/// The header's JSON, tensors in the order of their offsets.
std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace fovea::data
