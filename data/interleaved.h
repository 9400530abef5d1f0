#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fovea::data {

/// [pixels, channels], as files hold pictures, to [channels, pixels], as Image does.
std::vector<uint8_t> to_planes(std::span<const uint8_t> interleaved, int64_t channels);
/// And back.
std::vector<uint8_t> to_interleaved(std::span<const uint8_t> planes, int64_t channels);

/// Throws DataError where a file claims a picture without pixels or of more than 2^25, those of an 8K screen: a file of
/// 100 kB may claim as many.
void check_image_size(std::string_view name, uint64_t width, uint64_t height);

}  // namespace fovea::data
