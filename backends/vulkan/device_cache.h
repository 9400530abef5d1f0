#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "fovea/backends/vulkan/instance.h"

namespace fovea::vulkan {

/// Where something learned about one device and its driver is kept between runs (see cache_file.h).
struct DeviceCache {
  std::filesystem::path file;  // empty where there is no folder to cache in
  std::string key;             // what the content depends on
};
DeviceCache device_cache(const PhysicalDevice& device, std::string_view what);

}  // namespace fovea::vulkan
