#include "fovea/train/export.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/onnx/operations.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/folder_name.h"
#include "fovea/train/inference.h"
#include "fovea/train/model_folder.h"

namespace fovea::train {
namespace {

namespace fs = std::filesystem;

struct File {
  std::string path, bytes;
};

/// The tensors of the first examples, a file each.
std::vector<File> test_data(TrainedModel& trained, const std::string& folder) {
  const int64_t count = std::min(trained.task->size(Part::test), trained.batch_size);
  std::vector<int64_t> examples(static_cast<size_t>(count));
  std::iota(examples.begin(), examples.end(), 0);
  const auto stream = trained.task->stream(Part::test, {.batch_size = trained.batch_size});
  Predictions made = predict(*trained.model, *stream, trained.task->multi_label());
  made.probabilities.resize(static_cast<size_t>(count * made.classes));
  std::vector<File> files;
  for (const auto& [name, tensor] : trained.task->graph_inputs(Part::test, examples)) {
    files.push_back({fmt::format("{}/input_{}.pb", folder, files.size()), onnx::tensor_to_bytes(name, tensor, true)});
  }
  const Tensor probabilities = from_vector(made.probabilities, {count, made.classes});
  files.push_back({folder + "/output_0.pb", onnx::tensor_to_bytes("probabilities", probabilities, false)});
  return files;
}

}  // namespace

void refuse_own_files(const std::string& folder, const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx" && fs::equivalent(entry.path(), path, error)) {
      refuse("--onnx {} would overwrite what the model consists of", path);
    }
  }
}

Exported export_onnx(const std::string& folder, const std::string& program, TrainedModel& trained,
                     const std::string& path, const std::string& data) {
  refuse_own_files(folder, path);
  const nn::Evaluating evaluating(*trained.model);
  const ModelConfig config = load_config(folder, program);
  onnx::Graph graph(program);
  onnx::Value logits;
  try {
    logits = trained.task->build_graph(graph);
  } catch (const ValueError& error) {
    refuse("{}", error.what());
  }
  const onnx::Value probabilities = trained.task->multi_label() ? onnx::sigmoid(logits) : onnx::softmax(logits, -1);
  graph.output("probabilities", probabilities, onnx::Element::f32, {"batch", config.labels.size()},
               "of each class, in the order of the metadata's `classes`");
  onnx::ModelText text{.description = "A classifier of " + trained.task->noun() + ", trained with Fovea."};
  text.metadata = {{"program", program},
                   {"classes", nlohmann::ordered_json(config.labels.names()).dump()},
                   {"options", config.options}};
  if (config.decision != "{}") text.metadata["decision"] = config.decision;

  const std::string data_folder = path + ".test_data_set_0";
  std::vector<File> files;
  if (!data.empty()) {
    trained.task->load_test(data);
    files = test_data(trained, data_folder);
    std::error_code error;
    fs::create_directory(data_folder, error);
    if (error) data::fail_system(data_folder, "cannot be made", error.value());
  }
  files.push_back({path, graph.to_bytes(text)});
  for (const File& file : files) data::write_atomically(file.path, file.bytes);
  const size_t bytes = files.back().bytes.size();
  Exported written{{fmt::format("{}: {:.2f} MB, {}", path, static_cast<double>(bytes) / 1e6, graph.signature())},
                   bytes};
  if (!data.empty()) {
    written.lines.push_back(fmt::format("{}: inputs and probabilities of {} {}", data_folder,
                                        std::min(trained.task->size(Part::test), trained.batch_size),
                                        trained.task->noun()));
  }
  return written;
}

Exported export_int8(const std::string& folder, const std::string& program, const TrainedModel& trained,
                     const std::string& out) {
  ModelConfig config = load_config(folder, program);
  std::error_code error;
  if (fs::exists(out, error) && !fs::is_empty(out, error)) refuse("{}: there is something in it already", out);
  const fs::path target = without_slash(out), parent = target.parent_path();
  data::remove_abandoned(parent.empty() ? "." : parent);
  const fs::path beside = data::temporary_name(target);
  if (!fs::create_directory(beside, error)) {
    data::fail_system(out, "cannot be made", error ? error.value() : EEXIST);
  }
  try {
    save_int8_weights(beside, *trained.model, config.run);
    trained.task->save(beside);
    config.files = hash_files(beside);
    save_config(beside, config);
    fs::remove(out, error);
    fs::rename(beside, target, error);
    if (error) data::fail_system(out, "cannot be made", error.value());
  } catch (...) {
    fs::remove_all(beside, error);
    throw;
  }
  const size_t bytes = fs::file_size(weights_path(out));
  const auto before = static_cast<double>(fs::file_size(weights_path(folder))), now = static_cast<double>(bytes);
  return {{fmt::format("{}: weights of {:.2f} MB in {:.2f} MB, {:.1f} %", out, before / 1e6, now / 1e6,
                       100 * now / before)},
          bytes};
}

}  // namespace fovea::train
