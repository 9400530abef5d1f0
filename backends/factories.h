#pragma once

#include "fovea/backends/custom.h"

// How the registry finds the backends; each is defined in its backend's own folder.
namespace fovea {

Backend& cpu_backend();
/// Throws DeviceError where no such device is there or the library was built without Vulkan.
Backend& vulkan_backend(int index, Caller caller);

void run_on_cpu(const CustomCall& call);
void run_on_vulkan(const CustomCall& call, int index);

}  // namespace fovea
