#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::data {

/// A recording as one channel.
struct Audio {
  int64_t rate = 0;            // samples a second
  std::vector<float> samples;  // from -1 to 1

  double seconds() const { return rate == 0 ? 0 : static_cast<double>(samples.size()) / static_cast<double>(rate); }
};

/// Reads the bytes of a RIFF WAVE file: PCM of 8, 16, 24 or 32 bits, floating point of 32 or 64 bits (also as
/// WAVE_FORMAT_EXTENSIBLE), any number of channels, which are averaged. A data chunk that claims to be longer than the file
/// ends with the file, where its length is 0xffffffff, as programs leave it that write to a pipe. Throws DataError with the
/// byte where it is not that; `name` stands for the file in errors.
Audio parse_wav(std::string_view bytes, std::string_view name);
/// A WAVE file's bytes: PCM of 16 bits.
std::string encode_wav(const Audio& audio);

}  // namespace fovea::data
