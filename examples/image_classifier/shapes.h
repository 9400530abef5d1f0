#pragma once

#include <fovea/fovea.h>

#include <cstdint>
#include <string>

/// A colour picture of 32 x 32 pixels with one large shape, whose name it is labelled with, among small ones and noise:
/// neither its place, its size nor any colour tells which it is.
struct Picture {
  std::string label;
  fovea::data::Image image;
};

/// The names of the shapes.
const std::vector<std::string>& shape_names();

/// The picture of a number: the same for the same number and seed, one shape after the other.
Picture draw_picture(int64_t number, uint64_t seed);

/// Writes `count` pictures as PNG files, one folder for each shape.
void write_pictures(const std::string& folder, int64_t count, uint64_t seed);
