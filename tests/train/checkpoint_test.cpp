#include "fovea/train/checkpoint.h"

#include <gtest/gtest.h>

#include "data/temp_folder.h"
#include "fovea/data/safetensors.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  /// What is written when the file's metadata or one more tensor is as given.
  void save(const std::map<std::string, std::string>& metadata, const std::string& tensor = "model/w") const {
    data::save_safetensors(path, {{tensor, ones({2})}}, metadata);
  }

  data::testing::TempFolder folder;
  std::string path = folder / "checkpoint";
};

TEST_F(CheckpointTest, KeepsItsPartsApart) {
  save_checkpoint(path, {.model = {{"w", full({2}, 1)}, {"best/w", full({2}, 2)}},
                         .optimizer = {{"w", full({3}, 3)}},
                         .best = {{"w", full({2}, 4)}, {"averages/w", full({2}, 5)}},
                         .averages = {{"w", full({2}, 6)}, {"n_averaged", scalar(7)}},
                         .state = "{\"epoch\": 2}",
                         .run = "what it is about"});
  const Checkpoint found = load_checkpoint(path);
  EXPECT_EQ(found.state, "{\"epoch\": 2}");
  EXPECT_EQ(found.run, "what it is about");
  const auto values = [](const nn::StateDict& part) {
    std::map<std::string, std::vector<float>> all;
    for (const auto& [name, tensor] : part) all[name] = tensor.to_vector<float>();
    return all;
  };
  using Values = std::map<std::string, std::vector<float>>;
  EXPECT_EQ(values(found.model), (Values{{"w", {1, 1}}, {"best/w", {2, 2}}}));
  EXPECT_EQ(values(found.optimizer), (Values{{"w", {3, 3, 3}}}));
  EXPECT_EQ(values(found.best), (Values{{"w", {4, 4}}, {"averages/w", {5, 5}}}));
  EXPECT_EQ(values(found.averages), (Values{{"w", {6, 6}}, {"n_averaged", {7}}}));
}

TEST_F(CheckpointTest, RefusesOtherFiles) {
  const std::string format = "fovea checkpoint 1";
  save({{"format", format}, {"state", "{}"}, {"run", ""}});
  EXPECT_EQ(load_checkpoint(path).model.size(), 1);
  save({{"format", "fovea checkpoint 2"}, {"state", "{}"}, {"run", ""}});
  EXPECT_ERROR(load_checkpoint(path), path + ": not a checkpoint that this version reads");
  save({{"format", format}, {"state", "{}"}, {"run", ""}}, "weights/w");
  EXPECT_ERROR(load_checkpoint(path), path + ": not a checkpoint: what is \"weights/w\"?");
  for (const std::string missing : {"format", "state", "run"}) {
    std::map<std::string, std::string> metadata{{"format", format}, {"state", "{}"}, {"run", ""}};
    metadata.erase(missing);
    save(metadata);
    EXPECT_ERROR(load_checkpoint(path), path + ": not a checkpoint: it has no \"" + missing + "\"");
  }
}

}  // namespace
}  // namespace fovea::train
