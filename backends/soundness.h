#pragma once

#include <string>
#include <vector>

#include "fovea/backends/backend.h"

// What `fovea doctor` found out about the kernels of a device, kept in the user's cache folder (see cache_file.h) for
// this device, this driver and this version of the library.
namespace fovea {

/// A kernel that gave wrong results.
struct FailedKernel {
  std::string kernel;
  std::string what;  // "forward: off by 0.3"

  friend bool operator==(const FailedKernel&, const FailedKernel&) = default;
};

/// Those of the last examination; empty where there was none. Throws DeviceError where the device is absent.
std::vector<FailedKernel> failed_kernels(Device device, Caller caller = {});
/// False where there is no folder to remember in, or the disk refuses.
bool remember_failed_kernels(Device device, const std::vector<FailedKernel>& failed, Caller caller = {});

/// What a program does with the device that its user names: throws DeviceError, which names the kernels, where the last
/// examination found any that fail. FOVEA_ALLOW_FAILED_KERNELS=1 in the environment lets them be used.
void require_sound(Device device, Caller caller = {});

}  // namespace fovea
