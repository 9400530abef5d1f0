#include "fovea/train/model_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/autograd/int8.h"
#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/data/parse_json.h"
#include "fovea/data/safetensors.h"
#include "fovea/data/string_index.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/multihead_attention.h"
#include "fovea/nn/recurrent.h"
#include "fovea/tensor/creation.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* format_name = "fovea model 1";
constexpr const char* scale_suffix = ".scale";
constexpr int64_t least_row = 8;  // numbers that a scale is worth

/// Whether a tensor is the scales of another one in 8 bits.
bool is_scale(const data::SafetensorsFile& file, const std::string& name) {
  if (!name.ends_with(scale_suffix)) return false;
  const auto found = file.tensors().find(name.substr(0, name.size() - std::string_view(scale_suffix).size()));
  return found != file.tensors().end() && found->second.dtype == "I8";
}

Int8Rows read_int8(const std::string& path, const data::SafetensorsFile& file, const std::string& name) {
  const auto& info = file.tensors().at(name);
  const auto scale = file.tensors().find(name + scale_suffix);
  if (info.shape.rank() == 0 || scale == file.tensors().end() || scale->second.dtype != "BF16" ||
      scale->second.shape != Shape{info.shape[0]}) {
    data::fail(path, "tensor {} is I8 and has no BF16 {} for each of its rows", data::in_quotes(name), scale_suffix);
  }
  const auto* bytes = reinterpret_cast<const int8_t*>(file.bytes(name).data());
  Int8Rows rows{info.shape, {}, file.tensor(scale->first).to(f32).to_vector<float>()};
  rows.values.assign(bytes, bytes + info.shape.numel());
  return rows;
}

/// Lets layers whose input meets a weight in one product multiply in 8 bits.
void keep_int8(nn::Module& model, const std::map<std::string, Int8Rows>& small) {
  model.apply([&small](nn::Module& module) {
    const bool multiplies = dynamic_cast<nn::Linear*>(&module) || dynamic_cast<nn::RecurrentLayer*>(&module) ||
                            dynamic_cast<nn::MultiheadAttention*>(&module);
    if (!multiplies) return;
    for (const auto& [name, tensor] : module.named_parameters()) {
      const auto found = small.find(module.path().empty() ? name : module.path() + '.' + name);
      // The states' weights are the recurrent kernel's.
      if (found != small.end() && !name.starts_with("weight_hh")) multiply_in_int8(tensor, found->second);
    }
  });
}

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
  if (!config.files.empty()) object["files"] = config.files;
  data::write_atomically(config_path(folder), object.dump(2) + '\n');
}

namespace {

std::string hash_of(const std::string& path) { return fmt::format("{:016x}", data::hash_bytes(data::read_file(path))); }

}  // namespace

std::map<std::string, std::string> hash_files(const std::string& folder) {
  std::map<std::string, std::string> hashes;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename(), path = entry.path();
    if (path == config_path(folder) || path == weights_path(folder)) continue;
    hashes[name] = hash_of(path);
  }
  return hashes;
}

void check_files(const std::string& folder, const ModelConfig& config) {
  for (const auto& [name, hash] : config.files) {
    const std::string path = fs::path(folder) / fs::path(name).filename();
    if (hash != hash_of(path)) data::fail(path, "not that of the model that config.json describes");
  }
}

void save_model(const std::string& folder, ModelConfig config, const std::function<void(const std::string&)>& write) {
  const std::string beside = data::temporary_name(fs::path(folder) / "model");
  std::error_code error;
  fs::remove_all(beside, error);
  if (!fs::create_directory(beside, error)) data::fail_system(folder, "cannot write", error.value());
  try {
    write(beside);
    config.files = hash_files(beside);
    save_config(beside, config);
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(beside)) names.push_back(entry.path().filename());
    std::erase(names, "config.json");
    names.emplace_back("config.json");
    for (const std::string& name : names) {
      const fs::path target = fs::path(folder) / name;
      fs::rename(fs::path(beside) / name, target, error);
      if (error) data::fail_system(target.string(), "cannot write", error.value());
    }
    fs::remove(beside, error);
  } catch (...) {
    fs::remove_all(beside, error);
    throw;
  }
  // Their contents are on the disk; the names are once the folder is.
  const data::FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) fsync(directory.get());
}

bool is_model_config(const std::string& folder) {
  const Json object = Json::parse(data::read_file(config_path(folder), size_t{1} << 26), nullptr, false);
  return object.is_object() && object.contains("format") && object["format"] == format_name;
}

ModelConfig load_config(const std::string& folder, const std::string& trainer) {
  const std::string path = config_path(folder);
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) data::fail(folder, "there is no such folder");
  if (!std::filesystem::exists(path, error)) data::fail(folder, "no model: it has no config.json");
  const std::string text = data::read_file(path, size_t{1} << 26);
  try {
    const Json object = data::parse_json<Json>(path, text);
    if (object.value("format", "") != format_name) data::fail(path, "not the configuration of a model");
    const auto made_by = object.at("trainer").get<std::string>();
    if (made_by != trainer) data::fail(path, "a model of {}, not of {}", made_by, trainer);
    if (!object.at("options").is_object()) data::fail(path, "its options are not an object");
    const auto names = object.value("classes", std::vector<std::string>());
    return {.trainer = made_by,
            .options = object.at("options").dump(),
            .labels = data::Labels::in_order(names),
            .run = object.at("run").get<std::string>(),
            .decision = object.value("decision", Json::object()).dump(),
            .files = object.value("files", std::map<std::string, std::string>())};
  } catch (const Json::exception&) {
    data::fail(path, "not the configuration of a model");
  } catch (const ValueError&) {
    data::fail(path, "two of its classes have one name");
  }
}

void save_weights(const std::string& folder, const nn::Module& model, const std::string& run) {
  data::save_safetensors(weights_path(folder), model.state_dict(), {{"format", format_name}, {"run", run}});
}

void save_int8_weights(const std::string& folder, const nn::Module& model, const std::string& run) {
  nn::StateDict state = model.state_dict();
  std::map<std::string, Int8Rows> small;
  for (const auto& [name, tensor] : model.state_dict()) {
    if (tensor.dtype() != f32 || tensor.rank() < 2 || tensor.numel() < least_row * tensor.size(0)) continue;
    Int8Rows& rows = small[name] = to_int8(tensor);
    state.erase(name);
    state[name + scale_suffix] = from_vector(rows.scales).to(bf16);  // which holds them
  }
  std::map<std::string, data::StoredTensor> stored;
  for (const auto& [name, rows] : small) stored[name] = {"I8", rows.shape, std::as_bytes(std::span(rows.values))};
  data::save_safetensors(weights_path(folder), state, {{"format", format_name}, {"run", run}}, stored);
}

void load_weights(const std::string& folder, nn::Module& model, const std::string& run) {
  const std::string path = weights_path(folder);
  const data::SafetensorsFile file(path);
  const auto found = file.metadata().find("run");
  if (found == file.metadata().end() || found->second != run) {
    data::fail(path, "not the weights of the model that config.json describes");
  }
  nn::StateDict state;
  std::map<std::string, Int8Rows> small;
  for (const auto& [name, info] : file.tensors()) {
    if (info.dtype == "I8") {
      state.emplace(name, from_int8(small[name] = read_int8(path, file, name)));
    } else if (!is_scale(file, name)) {
      state.emplace(name, file.tensor(name));
    }
  }
  try {
    model.load_state_dict(state);
  } catch (const ValueError&) {
    data::fail(path, "its tensors are not those of the model that config.json describes");
  }
  keep_int8(model, small);
}

std::string run_of_weights(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(weights_path(folder), error)) return {};
  const data::SafetensorsFile file(weights_path(folder));
  const auto found = file.metadata().find("run");
  return found == file.metadata().end() ? "" : found->second;
}

}  // namespace fovea::train
