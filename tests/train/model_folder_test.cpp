#include "fovea/train/model_folder.h"

#include <sys/wait.h>
#include <unistd.h>

#include "data/temp_folder.h"
#include "fovea/data/files.h"
#include "fovea/nn/linear.h"
#include "fovea/train/run_identity.h"

namespace fovea::train {
namespace {

using data::testing::error_of;
using data::testing::read_back;
using data::testing::TempFolder;
using testing::ElementsAre;
using testing::EndsWith;

/// Saves a model whose one other file holds `words`.
void save(const TempFolder& folder, const std::string& words) {
  const nn::Linear model(2, 2);
  save_model(folder / "", {.trainer = "p", .options = "{}", .labels = {}, .run = words},
             [&](const std::string& beside) {
               std::ofstream(beside + "/vocabulary.txt") << words;
               save_weights(beside, model, words);
               if (words.empty()) throw DataError("the disk is full");
             });
}

TEST(SaveModel, LeavesTheModelOfBeforeWhereItFails) {
  const TempFolder folder;
  save(folder, "one");
  const std::string config = read_back(folder / "config.json"), weights = read_back(folder / "model.safetensors");
  EXPECT_EQ(error_of([&] { save(folder, ""); }), "the disk is full");
  EXPECT_THAT(folder.names(), ElementsAre("config.json", "model.safetensors", "vocabulary.txt"));
  EXPECT_EQ(read_back(folder / "vocabulary.txt"), "one");
  EXPECT_EQ(read_back(folder / "config.json"), config);
  EXPECT_EQ(read_back(folder / "model.safetensors"), weights);
}

TEST(SaveModel, BindsEveryFileToTheConfiguration) {
  const TempFolder folder;
  save(folder, "one");
  const ModelConfig config = load_config(folder / "", "p");
  EXPECT_NO_THROW(check_files(folder / "", config));
  folder.write("vocabulary.txt", "two");
  EXPECT_THAT(error_of([&] { check_files(folder / "", config); }),
              EndsWith("vocabulary.txt: not that of the model that config.json describes"));
  save_config(folder / "", {.trainer = "p", .options = "{}", .labels = {}, .run = {}});  // as earlier versions did
  EXPECT_NO_THROW(check_files(folder / "", load_config(folder / "", "p")));
}

TEST(RunFolder, GoesAgainWhereARunLeavesNothing) {
  const TempFolder folder;
  { const RunFolder made(folder / "a/b"); }
  EXPECT_TRUE(folder.names().empty());
  {
    const RunFolder made(folder / "a/b");
    folder.write("a/b/metrics.jsonl", "");
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "a/b/metrics.jsonl"));
  std::filesystem::create_directory(folder / "empty");
  { const RunFolder there(folder / "empty"); }
  EXPECT_TRUE(std::filesystem::exists(folder / "empty"));
}

TEST(RunFolder, DoesNotOverwriteAForeignConfiguration) {
  const TempFolder folder;
  folder.write("config.json", "{\"name\": \"mine\"}");
  EXPECT_THAT(error_of([&] { const RunFolder made(folder / ""); }),
              EndsWith("config.json: is no model's, and would be overwritten"));
  save(folder, "one");
  EXPECT_NO_THROW(RunFolder(folder / ""));
  EXPECT_EQ(error_of<UsageError>([] { RunFolder(""); }), "--out: \"\" is no folder");
}

TEST(PrepareFolder, RemovesWhatKilledRunsLeftUnfinished) {
  const TempFolder folder;
  const pid_t gone = fork();
  if (gone == 0) {
    folder.write(data::temporary_name("checkpoint.safetensors"), "");
    folder.write(data::temporary_name("what a later version writes"), "");
    std::filesystem::create_directory(data::temporary_name(folder / "model"));
    _exit(0);
  }
  waitpid(gone, nullptr, 0);
  EXPECT_EQ(folder.names().size(), 3u);
  const std::string mine = data::temporary_name("checkpoint.safetensors"), notes = fmt::format("notes.tmp-{}-0", gone);
  folder.write(notes, "");
  folder.write(mine, "");
  prepare_folder(folder / "");
  EXPECT_THAT(folder.names(), ElementsAre(mine, notes));
}

}  // namespace
}  // namespace fovea::train
