#include "melodies.h"

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "fovea/train/run_identity.h"

using namespace fovea;

namespace {

constexpr int64_t rate = 8000;

/// How many octaves a movement has gone after a part of its time from 0 to 1.
double octaves(const std::string& movement, double t) {
  if (movement == "rise") return t - 0.5;
  if (movement == "fall") return 0.5 - t;
  if (movement == "peak") return 0.5 - std::abs(2 * t - 1);
  if (movement == "valley") return std::abs(2 * t - 1) - 0.5;
  if (movement == "trill") return 0.25 * std::sin(2 * std::numbers::pi * 5 * t);
  return 0;
}

}  // namespace

const std::vector<std::string>& movement_names() {
  static const std::vector<std::string> names{"fall", "flat", "peak", "rise", "trill", "valley"};
  return names;
}

Melody play_melody(int64_t number, uint64_t seed) {
  data::RandomStream random(seed, static_cast<uint64_t>(number));
  const std::vector<std::string>& names = movement_names();
  Melody melody{names[static_cast<size_t>(number) % names.size()], {rate, {}}};
  const double before = random.between(0.02, 0.25), sounding = random.between(0.25, 0.5),
               after = random.between(0.02, 0.25);
  const double pitch = random.between(250, 600), loudness = random.between(0.1, 0.5);
  double phase = 0;
  const auto size = static_cast<int64_t>((before + sounding + after) * rate);
  for (int64_t i = 0; i < size; ++i) {
    const double t = (static_cast<double>(i) / rate - before) / sounding;
    double value = 0.02 * random.normal();
    if (t >= 0 && t <= 1) {
      phase += 2 * std::numbers::pi * pitch * std::exp2(octaves(melody.label, t)) / rate;
      const double swell = std::sin(std::numbers::pi * t);
      for (int overtone = 1; overtone <= 3; ++overtone)
        value += loudness * swell * std::sin(overtone * phase) / overtone;
    }
    melody.audio.samples.push_back(static_cast<float>(value));
  }
  return melody;
}

void write_melodies(const std::string& folder, int64_t count, uint64_t seed) {
  train::prepare_folder(folder);
  for (int64_t i = 0; i < count; ++i) {
    const Melody melody = play_melody(i, seed);
    const auto path = std::filesystem::path(folder) / fmt::format("{}_{:04}.wav", melody.label, i);
    std::ofstream file(path, std::ios::binary);
    if (!(file << data::encode_wav(melody.audio)).flush()) data::fail_system(path.string(), "cannot write", errno);
  }
}
