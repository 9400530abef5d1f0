#include "fovea/backends/vulkan/device_cache.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fovea/backends/cache_file.h"

namespace fovea::vulkan {
namespace {

std::string hexadecimal(const uint8_t (&uuid)[VK_UUID_SIZE]) { return fmt::format("{:02x}", fmt::join(uuid, "")); }

}  // namespace

DeviceCache device_cache(const PhysicalDevice& device, std::string_view what) {
  DeviceCache cache;
  const std::string driver = hexadecimal(device.driver_uuid);
  // A software driver's code depends on the vector width that it was told, which its UUIDs do not show.
  if (const std::filesystem::path folder = cache_folder(); !folder.empty()) {
    cache.file = folder / fmt::format("{}-{:04x}-{:04x}-{}-{}.bin", what, device.vendor, device.device, driver,
                                      device.subgroup_size);
  }
  cache.key = fmt::format("{:x} {:x} {:x} {} {}", device.vendor, device.device, device.driver_version, driver,
                          hexadecimal(device.cache_uuid));
  return cache;
}

}  // namespace fovea::vulkan
