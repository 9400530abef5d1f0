#include "fovea/train/model_folder.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/data/safetensors.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* format_name = "fovea model 1";

}  // namespace

std::string config_path(const std::string& folder) { return std::filesystem::path(folder) / "config.json"; }
std::string weights_path(const std::string& folder) { return std::filesystem::path(folder) / "model.safetensors"; }
std::string checkpoint_path(const std::string& folder) {
  return std::filesystem::path(folder) / "checkpoint.safetensors";
}

void save_config(const std::string& folder, const ModelConfig& config) {
  Json object{{"format", format_name},
              {"trainer", config.trainer},
              {"run", config.run},
              {"options", Json::parse(config.options)}};
  if (config.labels.size() > 0) object["classes"] = config.labels.names();
  if (config.decision != "{}") object["decision"] = Json::parse(config.decision);
  data::write_atomically(config_path(folder), object.dump(2) + '\n');
}

ModelConfig load_config(const std::string& folder, const std::string& trainer) {
  const std::string path = config_path(folder);
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) data::fail(folder, "there is no such folder");
  if (!std::filesystem::exists(path, error)) data::fail(folder, "no model: it has no config.json");
  const std::string text = data::read_file(path, size_t{1} << 26);
  try {
    const Json object = Json::parse(text);
    if (object.value("format", "") != format_name) data::fail(path, "not the configuration of a model");
    const auto made_by = object.at("trainer").get<std::string>();
    if (made_by != trainer) data::fail(path, "a model of {}, not of {}", made_by, trainer);
    if (!object.at("options").is_object()) data::fail(path, "its options are not an object");
    const auto names = object.value("classes", std::vector<std::string>());
    return {.trainer = made_by,
            .options = object.at("options").dump(),
            .labels = data::Labels::in_order(names),
            .run = object.at("run").get<std::string>(),
            .decision = object.value("decision", Json::object()).dump()};
  } catch (const Json::parse_error& error) {
    data::fail_not_json(path, text, error.byte);
  } catch (const Json::exception&) {
    data::fail(path, "not the configuration of a model");
  } catch (const ValueError&) {
    data::fail(path, "two of its classes have one name");
  }
}

void save_weights(const std::string& folder, const nn::Module& model, const std::string& run) {
  data::save_safetensors(weights_path(folder), model.state_dict(), {{"format", format_name}, {"run", run}});
}

void load_weights(const std::string& folder, nn::Module& model, const std::string& run) {
  const std::string path = weights_path(folder);
  const data::SafetensorsFile file(path);
  const auto found = file.metadata().find("run");
  if (found == file.metadata().end() || found->second != run) {
    data::fail(path, "not the weights of the model that config.json describes");
  }
  nn::StateDict state;
  for (const auto& [name, info] : file.tensors()) state.emplace(name, file.tensor(name));
  try {
    model.load_state_dict(state);
  } catch (const ValueError&) {
    data::fail(path, "its tensors are not those of the model that config.json describes");
  }
}

std::string run_of_weights(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(weights_path(folder), error)) return {};
  const data::SafetensorsFile file(weights_path(folder));
  const auto found = file.metadata().find("run");
  return found == file.metadata().end() ? "" : found->second;
}

}  // namespace fovea::train
