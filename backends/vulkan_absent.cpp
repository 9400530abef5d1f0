#include "fovea/backends/factories.h"

namespace fovea {

Backend& vulkan_backend(int index, Caller caller) {
  raise<DeviceError>(caller, "vulkan:{}: this build of fovea has no Vulkan backend", index);
}

}  // namespace fovea
