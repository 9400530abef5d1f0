#include "fovea/train/run_identity.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/data/string_index.h"
#include "fovea/train/json_text.h"
#include "fovea/train/model_folder.h"

namespace fovea::train {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

std::string RunIdentity::describe() const {
  return json_text(Json{{"options", Json::parse(options.to_json())},
                        {"train", train},
                        {"valid", valid},
                        {"data", fmt::format("{:016x}", fingerprint)}});
}

namespace {

std::string name_of(const std::string& options, uint64_t fingerprint) {
  return fmt::format("{:016x}", data::hash_bytes(fmt::format("{} {:016x}", options, fingerprint)));
}

}  // namespace

std::string RunIdentity::name() const { return name_of(options.to_json(), fingerprint); }

std::string RunIdentity::name_among(const std::string& known) const {
  const Json now = Json::parse(options.to_json());
  Json told = Json::parse(known);
  for (const auto& [name, value] : now.items()) {
    if (told.contains(name)) {
      told[name] = value;
    } else if (value != Json::parse(options.find(name)->usual)) {
      return {};
    }
  }
  return name_of(told.dump(2), fingerprint);
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

void check_same_run(const Checkpoint& checkpoint, const RunIdentity& run, const std::string& folder) {
  const Json before = Json::parse(checkpoint.run), now = Json::parse(run.describe());
  const Json earlier_options = Json::parse(run.options.complete(before["options"].dump()));
  for (const auto& [name, value] : now["options"].items()) {
    const Json& earlier = earlier_options[name];
    if (earlier != value) {
      refuse("--{} is {}, but {} for the run to go on with in {}", name, value.dump(), earlier.dump(), folder);
    }
  }
  if (before.value("data", "") != now.value("data", "")) {
    refuse("--train or --valid is not what the run in {} was learning from", folder);
  }
}

std::optional<ModelConfig> finished_run(const std::string& folder, const std::string& program) {
  std::error_code error;
  if (fs::exists(checkpoint_path(folder), error) || !fs::exists(config_path(folder), error)) return std::nullopt;
  return load_config(folder, program);
}

void adopt_run(OptionTable& options, const ModelConfig& finished, const std::string& folder) {
  options.from_json(finished.options, config_path(folder));
}

void check_same_run(const ModelConfig& finished, const RunIdentity& run, const std::string& folder) {
  if (finished.run == run.name_among(finished.options)) return;
  refuse("--resume: the run in {} is complete and had other options or data; without --resume a new one replaces it",
         folder);
}

void prepare_folder(const std::string& folder) {
  if (folder.empty()) refuse("--out: \"\" is no folder");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) data::fail_system(folder, "cannot make the folder", error.value());
  if (!fs::is_directory(folder, error)) data::fail(folder, "is no folder");
  if (access(folder.c_str(), W_OK) != 0) data::fail_system(folder, "cannot write into the folder", errno);
  data::remove_abandoned(folder);
}

void forget_run(const std::string& folder) {
  std::error_code ignored;
  fs::remove(checkpoint_path(folder), ignored);
  fs::remove(fs::path(folder) / "folds.jsonl", ignored);
}

RunFolder::RunFolder(const std::string& folder) {
  std::error_code error;
  if (fs::exists(config_path(folder), error) && !is_model_config(folder)) {
    data::fail(config_path(folder), "is no model's, and would be overwritten");
  }
  for (fs::path path = fs::absolute(folder, error).lexically_normal();
       path.has_relative_path() && !fs::exists(path, error); path = path.parent_path()) {
    if (path.has_filename()) made_.push_back(path);
  }
  prepare_folder(folder);
  locked_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Some file systems know no locks.
  if (locked_ < 0 || ::flock(locked_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(locked_);
  data::fail(folder, "another run is writing into it");
}

RunFolder::~RunFolder() {
  if (locked_ >= 0) ::close(locked_);
  std::error_code error;
  for (const fs::path& path : made_) {
    if (!fs::is_empty(path, error) || error || !fs::remove(path, error)) return;
  }
}

}  // namespace fovea::train
