#include <memory>

#include "fovea/backends/backend.h"
#include "fovea/backends/factories.h"

namespace fovea {

Backend& backend(Device device, Caller caller) {
  if (device.kind == Device::Kind::cpu) {
    static Backend& cpu = cpu_backend();
    return cpu;
  }
  return vulkan_backend(device.index, caller);
}

}  // namespace fovea
