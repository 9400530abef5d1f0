#pragma once

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "trainers.h"

// What the tests of `export` share.
namespace fovea::test {

/// Exports a model as ONNX with the first examples of `data` and runs it in onnxruntime; they must not be of one length
/// unless `even`; `flags` tell how they are read. False where there is no Python with that; the test says so by
/// GTEST_SKIP() << no_runtime.
inline bool runs_elsewhere(const std::string& program, const std::string& model, const std::string& data,
                           bool even = false, const Words& flags = {}) {
  const std::string file = model + ".onnx";
  const Finished exported = run(program, Words{"export", "--model", model, "--onnx", file, "--data", data} + flags);
  EXPECT_EQ(exported.status, 0) << exported.error;
  if (exported.status != 0) return true;
  const char* given = std::getenv("FOVEA_PYTHON");
  const std::string python = given ? given : FOVEA_PYTHON;
  Words call{python, FOVEA_SOURCE_DIR "/tests/onnx/run.py", file};
  if (even) call.emplace_back("--even");
  const Finished compared = run("/usr/bin/env", call);
  if (compared.status == 127 || compared.out.starts_with("skipped: ")) return false;
  EXPECT_EQ(compared.status, 0) << compared.out << compared.error;
  return true;
}
constexpr const char* no_runtime =
    "skipped: no Python with the packages onnx and onnxruntime; FOVEA_PYTHON may name one";

/// The bytes of a model's tensors: its safetensors file without the header, which outweighs those of a small model.
inline double tensor_bytes(const std::string& model) {
  const std::string bytes = read_back(model + "/model.safetensors");
  uint64_t header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return static_cast<double>(bytes.size() - sizeof header - header);
}

/// Exports a model with weights in 8 bits, which shall be small and tell the classes of `data` as well.
inline void expect_as_good_in_8_bits(const std::string& program, const std::string& model, const std::string& data) {
  const std::string small = model + "_int8";
  const Finished exported = run(program, {"export", "--model", model, "--int8", small});
  ASSERT_EQ(exported.status, 0) << exported.error;
  EXPECT_LT(tensor_bytes(small), 0.3 * tensor_bytes(model)) << exported.out;
  const auto accuracy = [&](const std::string& folder) {
    const Finished done = run(program, {"evaluate", "--model", folder, "--data", data, "--quiet", "--json"});
    EXPECT_EQ(done.status, 0) << done.error;
    return done.status == 0 ? nlohmann::json::parse(done.out)["accuracy"].get<double>() : 0;
  };
  EXPECT_NEAR(accuracy(small), accuracy(model), 0.005);
}

}  // namespace fovea::test
