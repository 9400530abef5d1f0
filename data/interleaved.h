#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea::data {

/// [pixels, channels], as files hold pictures, to [channels, pixels], as Image does.
std::vector<uint8_t> to_planes(std::span<const uint8_t> interleaved, int64_t channels);
/// And back.
std::vector<uint8_t> to_interleaved(std::span<const uint8_t> planes, int64_t channels);

}  // namespace fovea::data
