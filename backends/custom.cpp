#include "fovea/backends/custom.h"

#include "fovea/backends/factories.h"

namespace fovea {

void launch(const CustomCall& call, Device device) {
  if (device.kind == Device::Kind::vulkan) return run_on_vulkan(call, device.index);
  run_on_cpu(call);
}

}  // namespace fovea
