#include "fovea/train/run_identity.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/data/string_index.h"
#include "fovea/train/model_folder.h"

namespace fovea::train {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

std::string RunIdentity::describe() const {
  return Json{{"options", Json::parse(options.to_json())},
              {"train", train},
              {"valid", valid},
              {"data", fmt::format("{:016x}", fingerprint)}}
      .dump();
}

std::string RunIdentity::name() const {
  return fmt::format("{:016x}", data::hash_bytes(fmt::format("{} {:016x}", options.to_json(), fingerprint)));
}

void adopt_run(OptionTable& options, const Checkpoint& checkpoint, const std::string& folder) {
  const Json run = Json::parse(checkpoint.run, nullptr, false);
  if (!run.is_object() || !run.contains("options")) {
    data::fail(checkpoint_path(folder), "not a checkpoint of this program");
  }
  options.from_json(run["options"].dump(), checkpoint_path(folder));
  for (const char* name : {"train", "valid"}) {
    if (!options.given(name) && run.contains(name) && run[name].is_string() && run[name] != "") {
      options.assign(name, {run[name].get<std::string>()});
    }
  }
}

void check_same_run(const Checkpoint& checkpoint, const std::string& run, const std::string& folder) {
  const Json before = Json::parse(checkpoint.run), now = Json::parse(run);
  for (const auto& [name, value] : now["options"].items()) {
    const Json& earlier = before["options"].contains(name) ? before["options"][name] : Json();
    if (earlier != value) {
      refuse("--{} is {}, but {} for the run to go on with in {}", name, value.dump(), earlier.dump(), folder);
    }
  }
  if (before.value("data", "") != now.value("data", "")) {
    refuse("--train or --valid is not what the run in {} was learning from", folder);
  }
}

void prepare_folder(const std::string& folder, bool resume) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) data::fail_system(folder, "cannot make the folder", error.value());
  if (!fs::is_directory(folder, error)) data::fail(folder, "is no folder");
  if (access(folder.c_str(), W_OK) != 0) data::fail_system(folder, "cannot write into the folder", errno);
  if (!resume) fs::remove(checkpoint_path(folder), error);
}

const char* name(Ending ending) {
  switch (ending) {
    case Ending::complete:
      return "complete";
    case Ending::stopped_early:
      return "stopped_early";
    case Ending::out_of_time:
      return "out_of_time";
    case Ending::interrupted:
      return "interrupted";
  }
  return "?";
}

}  // namespace fovea::train
