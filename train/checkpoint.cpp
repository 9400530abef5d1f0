#include "fovea/train/checkpoint.h"

#include <map>
#include <utility>

#include "fovea/data/file_error.h"
#include "fovea/data/safetensors.h"

namespace fovea::train {
namespace {

constexpr const char* format = "fovea checkpoint 1";

/// The parts of a file and the beginning of their names in it.
template <class C>
auto parts(C& checkpoint) {
  return std::array{std::pair("model/", &checkpoint.model), std::pair("optimizer/", &checkpoint.optimizer),
                    std::pair("best/", &checkpoint.best), std::pair("averages/", &checkpoint.averages)};
}

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  std::map<std::string, Tensor> tensors;
  for (const auto& [prefix, part] : parts(checkpoint)) {
    for (const auto& [name, tensor] : *part) tensors.emplace(prefix + name, tensor);
  }
  data::save_safetensors(path, tensors, {{"format", format}, {"state", checkpoint.state}, {"run", checkpoint.run}});
}

Checkpoint load_checkpoint(const std::string& path) {
  const data::SafetensorsFile file(path);
  const auto& metadata = file.metadata();
  const auto entry = [&](const char* name) -> std::string {
    const auto found = metadata.find(name);
    if (found == metadata.end()) data::fail(path, "not a checkpoint: it has no \"{}\"", name);
    return found->second;
  };
  if (entry("format") != format) data::fail(path, "not a checkpoint that this version reads");
  Checkpoint checkpoint{
      .model = {}, .optimizer = {}, .best = {}, .averages = {}, .state = entry("state"), .run = entry("run")};
  for (const auto& [name, info] : file.tensors()) {
    bool known = false;
    for (const auto& [prefix, part] : parts(checkpoint)) {
      if (!name.starts_with(prefix)) continue;
      part->emplace(name.substr(std::char_traits<char>::length(prefix)), file.tensor(name));
      known = true;
    }
    if (!known) data::fail(path, "not a checkpoint: what is \"{}\"?", name);
  }
  return checkpoint;
}

}  // namespace fovea::train
