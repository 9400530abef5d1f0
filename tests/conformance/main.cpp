// conformance DIR: replays the cases of every *.safetensors file in DIR through the library's public API and compares
// outputs, gradients and second-order gradients with those that the files hold.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "conformance/runner.h"
#include "fovea/backends/vulkan.h"

namespace {

using namespace fovea;
using namespace fovea::conformance;

enum Status { all_passed = 0, some_failed = 1, wrong_usage = 2, device_absent = 77 };

struct Options {
  std::string folder;
  std::string device = "cpu";
  std::string dtype = "f32";
  std::string filter;
  bool verbose = false;
  bool allow_unsupported = false;
};

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) throw DataError(folder + ": no *.safetensors file is there");
  return paths;
}

struct Counts {
  size_t passed = 0, failed = 0, unsupported = 0;
};

void report(const Case& test, const Outcome& outcome, bool verbose, Counts& counts) {
  switch (outcome.verdict) {
    case Verdict::passed:
      ++counts.passed;
      if (verbose) fmt::print("PASS {} {} {:.2g} of the tolerance\n", test.id, test.op, outcome.greatest_error());
      break;
    case Verdict::failed:
      ++counts.failed;
      for (const std::string& failure : outcome.failures) fmt::print("FAIL {} {} {}\n", test.id, test.op, failure);
      break;
    case Verdict::unsupported:
      ++counts.unsupported;
      fmt::print("UNSUPPORTED {} {}\n", test.id, test.op);
      break;
  }
}

int run(const Options& options) {
  const Settings settings{Device::parse(options.device), options.dtype == "f64" ? f64 : f32};
  if (settings.dtype == f64 && settings.device.kind != Device::Kind::cpu) {
    fmt::print(stderr, "conformance: f64 runs on the CPU alone\n");
    return wrong_usage;
  }
  try {
    backend(settings.device);
  } catch (const DeviceError& error) {
    fmt::print(stderr, "conformance: skipped: {}\n", error.what());
    return device_absent;
  }
  Counts counts;
  for (const std::string& path : files_in(options.folder)) {
    const data::SafetensorsFile file(path);
    for (const Case& test : read_cases(file, path)) {
      if ((test.id + " " + test.op).find(options.filter) == std::string::npos) continue;
      report(test, run_case(test, file, settings), options.verbose, counts);
    }
  }
  backend(settings.device).synchronize();
  const std::vector<std::string> complaints = vulkan_validation_messages();
  for (const std::string& complaint : complaints) fmt::print("VALIDATION {}\n", complaint);
  fmt::print("{} passed, {} failed, {} unsupported\n", counts.passed, counts.failed, counts.unsupported);
  const bool complete = counts.unsupported == 0 || options.allow_unsupported;
  return counts.failed == 0 && complete && complaints.empty() ? all_passed : some_failed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Replays reference cases through the library and compares the results.");
  app.add_option("DIR", options.folder, "Folder of *.safetensors files")->required()->check(CLI::ExistingDirectory);
  app.add_option("--device", options.device, "cpu, vulkan or vulkan:N")->capture_default_str();
  app.add_option("--dtype", options.dtype, "f32 or f64")->capture_default_str()->check(CLI::IsMember({"f32", "f64"}));
  app.add_option("--filter", options.filter, "Only cases whose id or operation contains this");
  app.add_flag("--verbose", options.verbose, "A line for passing cases too");
  app.add_flag("--allow-unsupported", options.allow_unsupported, "Unknown operations do not count as failure");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? all_passed : wrong_usage;
  }
  try {
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "conformance: {}\n", error.what());
    return wrong_usage;
  }
}
