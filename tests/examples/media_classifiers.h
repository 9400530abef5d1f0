#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/temp_folder.h"
#include "fovea/data/image_file.h"
#include "fovea/data/wav.h"
#include "program.h"

// The classifiers of pictures and of recordings on examples that are learned in no time.
namespace fovea::test {

using data::testing::read_back;
using data::testing::TempFolder;

/// A picture of 8 x 8 pixels: "left" or "right" is bright.
inline data::Image side_picture(bool right, uint64_t seed) {
  data::testing::Random random(seed);
  data::Image image{1, 8, 8, {}};
  for (int i = 0; i < 64; ++i) {
    const bool bright = (i % 8 >= 4) == right;
    image.pixels.push_back(static_cast<uint8_t>((bright ? 150 : 20) + random.below(80)));
  }
  return image;
}

/// A tenth of a second or more at 4000 samples a second: a "high" or "low" tone.
inline data::Audio tone(bool high, uint64_t seed) {
  data::testing::Random random(seed);
  data::Audio audio{4000, {}};
  const double pitch = (high ? 1200 : 300) + static_cast<double>(random.below(200));
  for (uint64_t i = 0; i < 400 + random.below(300); ++i) {
    audio.samples.push_back(static_cast<float>(0.5 * std::sin(6.283185 * pitch * static_cast<double>(i) / 4000)));
  }
  return audio;
}

/// One of the two programs, and what it needs.
struct Kind {
  std::string program;
  std::string input;   // what predict's inputs are called in JSON
  std::string ending;  // of an example's file
  std::string labels[2];
  std::function<std::string(bool second, uint64_t seed)> content;  // of an example's file
  Words small;                                                     // flags that make a model which learns in no time
  std::string encoders[2];
  std::string attention;  // the member of predict --explain --json

  /// Writes `count` examples of each class in turn, in a folder for each class, and returns the folder.
  std::string write(const TempFolder& folder, const std::string& name, int count, uint64_t seed) const {
    for (const std::string& label : labels) std::filesystem::create_directories(folder / (name + "/" + label));
    for (int i = 0; i < count; ++i) {
      const auto number = static_cast<uint64_t>(i);
      folder.write(name + "/" + labels[i % 2] + "/example_" + std::to_string(i) + ending,
                   content(i % 2 == 1, 1000 * seed + number));
    }
    return folder / name;
  }
};

inline Kind pictures() {
  return {.program = IMAGE_CLASSIFIER,
          .input = "file",
          .ending = ".png",
          .labels = {"left", "right"},
          .content = [](bool right, uint64_t seed) { return data::encode_png(side_picture(right, seed)); },
          .small = {"--hidden", "8", "--batch-size", "8", "--threads", "1"},
          .encoders = {"conv", "transformer"},
          .attention = "attention"};
}

inline Kind recordings() {
  return {.program = SPEECH_CLASSIFIER,
          .input = "file",
          .ending = ".wav",
          .labels = {"high", "low"},
          .content = [](bool low, uint64_t seed) { return data::encode_wav(tone(!low, seed)); },
          .small = {"--hidden", "8", "--layers", "1", "--mels", "12", "--batch-size", "8", "--threads", "1"},
          .encoders = {"conv", "gru"},
          .attention = "frames"};
}

}  // namespace fovea::test
