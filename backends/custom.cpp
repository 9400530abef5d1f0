#include "fovea/backends/custom.h"

#include "fovea/backends/factories.h"

namespace fovea {

void run(const CustomCall& call, Device device) {
  const CustomKernel& kernel = call.kernel;
  const bool vulkan = device.kind == Device::Kind::vulkan;
  if (vulkan ? kernel.spirv.empty() : !kernel.cpu) {
    throw DeviceError(fmt::format("{}: {} has no such kernel", kernel.name, device));
  }
  if (call.items == 0) return;
  if (vulkan) return run_on_vulkan(call, device.index);
  run_on_cpu(call);
}

}  // namespace fovea
