#include "doctor/command.h"

#include <fmt/core.h>

#include <cstdio>
#include <memory>

#include "fovea/backends/vulkan.h"
#include "fovea/data/files.h"

namespace fovea::doctor {
namespace {

Device choose_device(const std::string& wish) {
  if (!wish.empty()) return Device::parse(wish);
  for (const VulkanDevice& device : list_vulkan_devices().devices) {
    if (device.index == 0) return Device::vulkan();
  }
  return Device::cpu();
}

}  // namespace

void DoctorOptions::declare(train::OptionTable& options) {
  options.add("device", &device, "which device to examine: cpu, vulkan or vulkan:N",
              {.placeholder = "NAME", .default_text = "the first Vulkan device, else cpu"});
  options.add("cases", &cases, "replay the reference cases (*.safetensors) of this folder too", {.placeholder = "DIR"});
  options.add("json", &json, "write what was found to this file", {.placeholder = "FILE"});
  options.add("no-speed", &no_speed, "measure no speeds");
  options.add("list", &list, "list the devices and end");
}

int run_doctor(const DoctorOptions& options, std::span<const Check> checks) {
  fmt::print("{}", describe_devices());
  if (options.list) return train::ExitStatus::success;
  const Device device = choose_device(options.device);
  fmt::print("\nExamining {}\n\n", device);
  std::fflush(stdout);

  Findings findings;
  findings.operations = examine(checks, device);
  if (!options.cases.empty()) {
    for (Finding& finding : replay(options.cases, device)) findings.operations.push_back(std::move(finding));
  }
  if (!options.no_speed) findings.speeds = measure_speeds(device);
  fmt::print("{}", to_text(findings));
  if (device.kind == Device::Kind::vulkan) {
    for (const std::string& note : vulkan_notes(device.index)) fmt::print("{}\n", note);
  }

  const std::vector<FailedKernel> failed = findings.failed();
  const bool kept = remember_failed_kernels(device, failed);
  if (!failed.empty())
    fmt::print("{}\n",
               kept ? "From now on --device refuses this device, naming them."
                    : "This could not be remembered: neither XDG_CACHE_HOME nor HOME names a folder to write to.");
  if (!options.json.empty()) data::write_atomically(options.json, to_json(findings, device));
  return failed.empty() ? train::ExitStatus::success : train::ExitStatus::failure;
}

train::Command doctor_command() {
  const auto options = std::make_shared<DoctorOptions>();
  return {.name = "doctor",
          .description = "examine a device: are its kernels right, and how fast are they",
          .declare = [options](train::OptionTable& table) { options->declare(table); },
          .run = [options](train::OptionTable&) { return run_doctor(*options, built_in_checks()); }};
}

}  // namespace fovea::doctor
