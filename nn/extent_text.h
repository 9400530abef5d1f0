#pragma once

#include <algorithm>

#include "fovea/autograd/convolution.h"

// Sizes of space as layers are described by: "3" where all are alike, else "3x2".
namespace fovea::nn {

inline Shape sizes_of(int64_t length) { return {length}; }
inline Shape sizes_of(Extent e) { return {e.height, e.width}; }
inline Shape sizes_of(Extent3d e) { return {e.depth, e.plane.height, e.plane.width}; }

inline bool all_are(const Shape& sizes, int64_t size) {
  return std::all_of(sizes.begin(), sizes.end(), [=](int64_t each) { return each == size; });
}

inline std::string extent_text(const Shape& sizes) {
  return all_are(sizes, sizes[0]) ? fmt::format("{}", sizes[0]) : fmt::format("{}", fmt::join(sizes, "x"));
}

}  // namespace fovea::nn
