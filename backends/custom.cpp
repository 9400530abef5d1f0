#include "fovea/backends/custom.h"

#include "fovea/backends/factories.h"
#include "fovea/backends/recording.h"

namespace fovea {

void run(const CustomCall& call, Device device) {
  const CustomKernel& kernel = call.kernel;
  const bool vulkan = device.kind == Device::Kind::vulkan;
  if (vulkan ? kernel.spirv.empty() : !kernel.cpu) {
    raise_here<DeviceError>("{}: {} has no such kernel", kernel.name, device);
  }
  if (call.items > 0 && !recorded_custom(call, device)) launch(call, device);
}

void launch(const CustomCall& call, Device device) {
  if (device.kind == Device::Kind::vulkan) return run_on_vulkan(call, device.index);
  run_on_cpu(call);
}

}  // namespace fovea
