#pragma once

#include <span>

#include "doctor/check.h"
#include "fovea/train/command_line.h"

namespace fovea::doctor {

struct DoctorOptions {
  std::string device;  // empty: the first Vulkan device, else the CPU
  std::string cases;   // folder of reference cases, or empty
  std::string json;    // file to write, or empty
  bool list = false;   // only list the devices
  bool no_speed = false;

  void declare(train::OptionTable& options);
};

/// Examines a device with `checks` (and the cases that the options name), prints what it found, remembers which kernels
/// fail and returns the exit status: 0 where all are right, 1 where any fails.
int run_doctor(const DoctorOptions& options, std::span<const Check> checks);

/// `fovea doctor`.
train::Command doctor_command();

}  // namespace fovea::doctor
