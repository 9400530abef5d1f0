#include <filesystem>

#include "fovea/train/decision.h"
#include "fovea/train/model_folder.h"
#include "fovea/train/training_options.h"
#include "fuzz.h"

using namespace fovea;

namespace {

/// A model's folder whose config.json is the file in memory.
class ModelFolder {
 public:
  explicit ModelFolder(const fuzz::MemoryFile& file) {
    std::string name = (std::filesystem::temp_directory_path() / "fovea-fuzz-XXXXXX").string();
    if (!mkdtemp(name.data())) abort();
    path_ = name;
    std::filesystem::create_symlink(file.path(), train::config_path(path_));
  }
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;
  ~ModelFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Takes the options as a program with these ones does.
void read_options(const std::string& json) {
  train::TrainingOptions training;
  train::OptionTable table;
  training.declare(table);
  try {
    table.from_json(json, "input");
  } catch (const train::UsageError& error) {
    throw DataError(error.what());
  }
  training.trainer();
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::MemoryFile file;
  static const ModelFolder folder(file);
  file.hold(fuzz::text_of(data, size));
  fuzz::attempt([=] { read_options(std::string(fuzz::text_of(data, size))); });
  return fuzz::attempt([] {
    const train::ModelConfig config = train::load_config(folder.path(), "text_classifier");
    try {
      train::Decision::from_json(config.decision, config.labels.size());
    } catch (const ValueError&) {  // what TrainedModel::load puts into words
    }
    read_options(config.options);
  });
}
