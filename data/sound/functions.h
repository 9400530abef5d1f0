#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::data {

/// What the module libfovea_sound does for the library, which loads it for recordings that are no WAVE files and itself
/// needs no sound library: decodes a file's bytes to one channel, or says what is wrong with them (false). The module
/// needs nothing of the library either.
using DecodeSound = bool (*)(std::string_view bytes, int64_t& rate, std::vector<float>& samples, std::string& error);

constexpr const char* decode_sound_name = "fovea_decode_sound";

}  // namespace fovea::data
