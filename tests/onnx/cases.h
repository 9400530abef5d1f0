#pragma once

#include <fovea/fovea.h>

#include <cstdlib>
#include <filesystem>

#include "data/temp_folder.h"
#include "support/expect.h"

// Graphs that onnxruntime is to compute as their layers do.
namespace fovea::test {

/// Where the cases go: to whoever asks for them by FOVEA_ONNX_CASES, else nowhere that lasts.
class Cases {
 public:
  /// A graph of inputs by name and the result that it is to have.
  void add(const std::string& name, const onnx::Graph& graph, const std::vector<std::pair<std::string, Tensor>>& inputs,
           const Tensor& expected) {
    const std::string folder = folder_ + "/" + name;
    std::filesystem::create_directories(folder);
    data::write_atomically(folder + "/model.onnx", graph.to_bytes({}));
    for (const auto& [input, tensor] : inputs) {
      data::write_atomically(fmt::format("{}/{}.input", folder, input), onnx::tensor_to_bytes(input, tensor, true));
    }
    data::write_atomically(folder + "/result", onnx::tensor_to_bytes("result", expected, true));
  }

 private:
  data::testing::TempFolder temporary_;
  std::string folder_ = std::getenv("FOVEA_ONNX_CASES") ? std::getenv("FOVEA_ONNX_CASES") : temporary_ / "";
};

}  // namespace fovea::test
