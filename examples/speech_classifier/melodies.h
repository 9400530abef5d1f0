#pragma once

#include <fovea/fovea.h>

#include <cstdint>
#include <string>
#include <vector>

/// A recording in which a voice-like sound moves in pitch among noise, labelled by how: neither its pitch, its length nor
/// when it begins tells which it is.
struct Melody {
  std::string label;
  fovea::data::Audio audio;
};

/// The names of the movements.
const std::vector<std::string>& movement_names();

/// The melody of a number: the same for the same number and seed, one movement after the other.
Melody play_melody(int64_t number, uint64_t seed);

/// Writes `count` melodies as WAVE files LABEL_NUMBER.wav.
void write_melodies(const std::string& folder, int64_t count, uint64_t seed);
