#pragma once

#include "fovea/backends/backend.h"

// How the registry finds the backends; each is defined in its backend's own folder.
namespace fovea {

Backend& cpu_backend();
/// Throws DeviceError where no such device is there or the library was built without Vulkan.
Backend& vulkan_backend(int index, Caller caller);

}  // namespace fovea
