#include "doctor/findings.h"

#include <nlohmann/json.hpp>

#include "fovea/backends/vulkan.h"

namespace fovea::doctor {
namespace {

using nlohmann::json;

const char* name(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return "right";
    case Verdict::failed:
      return "WRONG";
    case Verdict::unsupported:
      return "absent";
  }
  return "";
}

std::string error_text(const Deviation& deviation) {
  return deviation.measured ? fmt::format("{:.1e}", deviation.absolute) : "-";
}
std::string rate_text(double rate) { return rate > 0 ? fmt::format("{:.4g}", rate) : "-"; }

/// JSON knows no infinity.
json number(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }
json to_json(const Deviation& deviation) {
  if (!deviation.measured) return nullptr;
  return {{"error", number(deviation.absolute)}, {"of_tolerance", number(deviation.relative)}};
}

double mebibytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

json to_json(const VulkanDevice& device) {
  return {{"name", device.name},
          {"device", device.index < 0 ? json(nullptr) : json(fmt::format("vulkan:{}", device.index))},
          {"type", device.type},
          {"driver", device.driver},
          {"vulkan", device.api},
          {"memory", device.memory},
          {"largest_allocation", device.largest_allocation},
          {"shared_memory", device.shared_memory},
          {"workgroup_threads", device.workgroup_threads},
          {"subgroup", device.subgroup},
          {"cooperative_f16", device.cooperative_f16},
          {"cooperative_bf16", device.cooperative_bf16},
          {"unfit", device.unfit}};
}

}  // namespace

std::vector<FailedKernel> Findings::failed() const {
  std::vector<FailedKernel> list;
  for (const Finding& finding : operations) {
    if (finding.verdict == Verdict::failed) list.push_back({finding.operation, finding.what});
  }
  return list;
}

std::string to_text(const Findings& findings) {
  std::string text = fmt::format("{:<34} {:>6} {:>9} {:>9}  {}\n", "operation", "cases", "forward", "backward", "");
  for (const Finding& f : findings.operations)
    text += fmt::format("{:<34} {:>6} {:>9} {:>9}  {}\n", f.operation, f.cases, error_text(f.forward),
                        error_text(f.backward), name(f.verdict));
  if (!findings.speeds.empty()) {
    text += fmt::format("\n{:<20} {:>14} {:>10} {:>10}\n", "speed", "size", "forward", "backward");
    for (const Speed& s : findings.speeds)
      text += fmt::format("{:<20} {:>14} {:>10} {:>10}  {}\n", s.operation, s.size, rate_text(s.forward),
                          rate_text(s.backward), s.unit);
  }
  const std::vector<FailedKernel> failed = findings.failed();
  text += failed.empty() ? "\nEvery kernel that was run is right.\n" : "\nWrong results:\n";
  for (const FailedKernel& kernel : failed) text += fmt::format("  {}: {}\n", kernel.kernel, kernel.what);
  return text;
}

std::string to_json(const Findings& findings, Device device) {
  json operations = json::array(), speeds = json::array(), devices = json::array();
  for (const Finding& f : findings.operations)
    operations.push_back({{"operation", f.operation},
                          {"cases", f.cases},
                          {"verdict", name(f.verdict)},
                          {"forward", to_json(f.forward)},
                          {"backward", to_json(f.backward)},
                          {"what", f.what}});
  for (const Speed& s : findings.speeds)
    speeds.push_back({{"operation", s.operation},
                      {"size", s.size},
                      {"unit", s.unit},
                      {"forward", s.forward},
                      {"backward", s.backward > 0 ? json(s.backward) : json(nullptr)}});
  for (const VulkanDevice& other : list_vulkan_devices().devices) devices.push_back(to_json(other));
  const json notes = device.kind == Device::Kind::vulkan ? json(vulkan_notes(device.index)) : json::array();
  return json{{"device", to_string(device)},
              {"description", backend(device).description()},
              {"sound", findings.failed().empty()},
              {"operations", operations},
              {"speeds", speeds},
              {"notes", notes},
              {"vulkan_devices", devices}}
             .dump(2) +
         "\n";
}

std::string describe_devices() {
  std::string text = backend(Device::cpu()).description() + "\n";
  const VulkanDevices list = list_vulkan_devices();
  if (!list.problem.empty()) text += fmt::format("vulkan: {}\n", list.problem);
  for (const VulkanDevice& d : list.devices) {
    text += fmt::format("{}: {} ({}, Vulkan {}, {})\n", d.index < 0 ? "unfit" : fmt::format("vulkan:{}", d.index),
                        d.name, d.type, d.api, d.driver);
    text += fmt::format(
        "  memory {:.0f} MiB, at most {:.0f} MiB in one piece; workgroups of up to {} threads that share "
        "{} KiB, subgroups of {}\n",
        mebibytes(d.memory), mebibytes(d.largest_allocation), d.workgroup_threads, d.shared_memory / 1024, d.subgroup);
    if (d.unfit.empty()) {
      text += fmt::format("  cooperative matrices of f16: {}; of bf16: {}\n", d.cooperative_f16, d.cooperative_bf16);
    } else {
      text += fmt::format("  unfit: {}\n", d.unfit);
    }
  }
  return text;
}

}  // namespace fovea::doctor
