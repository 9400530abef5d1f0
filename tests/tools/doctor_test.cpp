#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "doctor/command.h"
#include "fovea/backends/soundness.h"
#include "fovea/backends/vulkan.h"
#include "fovea/fovea.h"
#include "support/device.h"

namespace fovea::test {
namespace {

using namespace doctor;
using testing::AllOf;
using testing::HasSubstr;

/// Verdicts are remembered in a folder of the test's own.
class Doctor : public OnEveryDevice {
 protected:
  void SetUp() override {
    OnEveryDevice::SetUp();
    if (IsSkipped()) return;
    folder_ = std::filesystem::temp_directory_path() / fmt::format("fovea-doctor-{}", getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    if (const char* cache = std::getenv("XDG_CACHE_HOME")) before_ = cache;
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    before_.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", before_.c_str(), 1);
    unsetenv("FOVEA_ALLOW_FAILED_KERNELS");
    std::filesystem::remove_all(folder_);
  }

  /// The program's status and what it printed.
  std::pair<int, std::string> run(const std::vector<Check>& checks, const std::string& json = {}) {
    testing::internal::CaptureStdout();
    const int status = run_doctor({.device = to_string(device()), .cases = {}, .json = json, .no_speed = true}, checks);
    return {status, testing::internal::GetCapturedStdout()};
  }
  std::string refusal() {
    train::RunOptions options;
    options.device = to_string(device());
    try {
      options.apply();
      return {};
    } catch (const DeviceError& error) {
      return error.what();
    }
  }

  /// A kernel whose values are right on the CPU in f64 alone.
  static Check broken() {
    return {"injected", {ones({3}, {f64})}, [](const std::vector<Tensor>& x) -> std::vector<Tensor> {
              return {x[0].dtype() == f64 ? x[0] * 2.0 : x[0] * 2.5};
            }};
  }
  static Check wrong_gradient() {
    return {"injected gradient", {ones({3}, {f64})}, [](const std::vector<Tensor>& x) -> std::vector<Tensor> {
              return {x[0].dtype() == f64 ? x[0] * 2.0 : x[0] + x[0].detach()};
            }};
  }

  std::filesystem::path folder_;
  std::string before_;
};

TEST_P(Doctor, EveryKernelOfTheLibraryIsRight) {
  for (const Finding& finding : examine(built_in_checks(), device())) {
    SCOPED_TRACE(finding.operation);
    EXPECT_EQ(finding.verdict, Verdict::passed) << finding.what;
    EXPECT_TRUE(finding.forward.measured);
  }
}

TEST_P(Doctor, AWrongKernelIsNamedAndTheDeviceRefusedUntilItIsRight) {
  const std::string json = (folder_ / "verdict.json").string();
  const auto [status, text] = run({built_in_checks()[0], broken(), wrong_gradient()}, json);
  EXPECT_EQ(status, 1);
  EXPECT_THAT(text, AllOf(HasSubstr("WRONG"), HasSubstr("injected: forward: off by 0.5"),
                          HasSubstr("injected gradient: backward: off by ")));
  EXPECT_THAT(refusal(), AllOf(HasSubstr("injected (forward: off by 0.5)"), HasSubstr("injected gradient (backward"),
                               HasSubstr("FOVEA_ALLOW_FAILED_KERNELS=1")));
  setenv("FOVEA_ALLOW_FAILED_KERNELS", "1", 1);
  EXPECT_EQ(refusal(), "");
  unsetenv("FOVEA_ALLOW_FAILED_KERNELS");
  EXPECT_NE(refusal(), "");

  std::ifstream in(json);
  const auto written = nlohmann::json::parse(in);
  EXPECT_EQ(written["device"], to_string(device()));
  EXPECT_EQ(written["sound"], false);
  EXPECT_EQ(written["operations"][0]["verdict"], "right");
  EXPECT_EQ(written["operations"][1]["verdict"], "WRONG");
  EXPECT_NEAR(written["operations"][1]["forward"]["error"].get<double>(), 0.5, 1e-6);

  EXPECT_EQ(run({built_in_checks()[0]}).first, 0);
  EXPECT_EQ(refusal(), "") << "the last examination counts";
}

TEST_P(Doctor, WhatADeviceLacksIsNoFailure) {
  const Check absent{"absent", {ones({3}, {f64})}, [](const std::vector<Tensor>& x) -> std::vector<Tensor> {
                       if (x[0].dtype() == f32) throw DeviceError("no such kernel");
                       return {x[0]};
                     }};
  const Finding finding = examine(absent, device());
  EXPECT_EQ(finding.verdict, Verdict::unsupported);
  EXPECT_EQ(finding.what, "no such kernel");
  EXPECT_EQ(run({absent}).first, 0);
}

TEST_P(Doctor, ACrashOfAKernelIsAFailure) {
  const Check throws{"throws", {ones({3}, {f64})}, [](const std::vector<Tensor>& x) -> std::vector<Tensor> {
                       if (x[0].dtype() == f32) throw ShapeError("what is this");
                       return {x[0]};
                     }};
  const Finding finding = examine(throws, device());
  EXPECT_EQ(finding.verdict, Verdict::failed);
  EXPECT_THAT(finding.what, HasSubstr("what is this"));
}

TEST_P(Doctor, ListsEveryDevice) {
  EXPECT_THAT(describe_devices(), HasSubstr(backend(Device::cpu()).description()));
  for (const VulkanDevice& there : list_vulkan_devices().devices) {
    EXPECT_THAT(describe_devices(), AllOf(HasSubstr(there.name), HasSubstr(there.driver), HasSubstr("subgroups of")));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryDevice, Doctor, testing::Values(Device::cpu(), Device::vulkan()),
                         [](const testing::TestParamInfo<Device>& info) {
                           return std::string(info.param.kind == Device::Kind::cpu ? "cpu" : "vulkan");
                         });

TEST(Soundness, VerdictsOfOneDeviceSayNothingOfAnother) {
  EXPECT_THROW(failed_kernels(Device::vulkan(200)), DeviceError);
  EXPECT_THROW(require_sound(Device::vulkan(200)), DeviceError);
}

}  // namespace
}  // namespace fovea::test
