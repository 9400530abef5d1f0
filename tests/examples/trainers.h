#pragma once

#include <string>
#include <vector>

#include "media_classifiers.h"
#include "tables.h"
#include "text_classifier.h"

// Every trainer with examples that it learns from in no time.
namespace fovea::test {

struct Trainer {
  std::string name;
  std::string program;
  std::function<std::string(const TempFolder& folder)> write;  // makes training data and returns its path
  Words small;                                                 // flags of a model that learns in no time
  std::string classes = {};                                    // the names of both
};

/// How a test's name shows one.
inline void PrintTo(const Trainer& trainer, std::ostream* stream) { *stream << trainer.name; }

inline std::vector<Trainer> trainers() {
  const auto media = [](const Kind& kind) {
    return [kind](const TempFolder& folder) { return kind.write(folder, "train", 80, 1); };
  };
  const Words table{"--dim", "16", "--heads", "2", "--batch-size", "16", "--threads", "1"};
  return {
      {"text", TEXT_CLASSIFIER, [](const TempFolder& folder) { return folder.write("train.csv", reviews(400)); }, small,
       "bad,good"},
      {"image", IMAGE_CLASSIFIER, media(pictures()), pictures().small, "left,right"},
      {"speech", SPEECH_CLASSIFIER, media(recordings()), recordings().small, "high,low"},
      {"tabular", TABULAR_CLASSIFIER, [](const TempFolder& folder) { return folder.write("train.csv", rows(400, 1)); },
       table + Words{"--layers", "1", "--feedforward", "16"}, "no,yes"},
      {"multimodal", MULTIMODAL_CLASSIFIER,
       [](const TempFolder& folder) { return folder.write("train.csv", rows(300, 1, true)); },
       table + Words{"--text", "note"}, "no,yes"},
      {"language",
       LANGUAGE_MODEL,
       [](const TempFolder& folder) {
         std::string text;
         for (int i = 0; i < 3000; ++i) text += "an eye sees "[i * i % 12];
         return folder.write("train.txt", text);
       },
       {"--context", "16", "--dim", "16", "--heads", "2", "--layers", "1", "--batch-size", "4", "--threads", "1"}},
  };
}

/// Those that classify.
inline std::vector<Trainer> classifiers() {
  std::vector<Trainer> all = trainers();
  std::erase_if(all, [](const Trainer& trainer) { return trainer.name == "language"; });
  return all;
}

/// A test of each of them.
class EveryTrainer : public testing::TestWithParam<Trainer> {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train", "--train", data, "--out", out} + GetParam().small + flags;
  }
  Finished train(const std::string& out, const Words& flags = {}) const {
    return run(GetParam().program, train_into(out, flags));
  }
  static std::string weights(const std::string& out) { return read_back(out + "/model.safetensors"); }

  TempFolder folder;
  std::string data = GetParam().write(folder);
};

inline std::string name_of(const testing::TestParamInfo<Trainer>& info) { return info.param.name; }

}  // namespace fovea::test
