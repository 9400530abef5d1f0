#pragma once

#include "fovea/backends/backend.h"

namespace fovea {

/// What a program runs on that is not told: the device that FOVEA_DEVICE in the environment names, else the CPU. Throws
/// DeviceError where that is no name of a device.
Device default_device(Caller caller = {});

}  // namespace fovea
