#include <cstdlib>

#include "fovea/backends/backend.h"
#include "fovea/backends/default_device.h"
#include "fovea/backends/factories.h"

namespace fovea {

Backend& backend(Device device, Caller caller) {
  if (device.kind == Device::Kind::cpu) {
    static Backend& cpu = cpu_backend();
    return cpu;
  }
  return vulkan_backend(device.index, caller);
}

Device default_device(Caller caller) {
  const char* name = std::getenv("FOVEA_DEVICE");
  if (!name || !*name) return Device::cpu();
  try {
    return Device::parse(name, caller);
  } catch (const DeviceError& error) {
    throw DeviceError(std::string("FOVEA_DEVICE: ") + error.what());  // which names the caller
  }
}

}  // namespace fovea
