#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/data/image.h"
#include "fovea/data/label_file.h"

// Pictures that lie in one file as an array, and their labels in another one beside it: IDX or npy, also gzip.
namespace fovea::data {

/// Pictures of one size.
struct ImageArray {
  std::string path;
  int64_t count = 0, height = 0, width = 0, channels = 1;
  std::string bytes;  // [count, height, width, channels]

  Image image(int64_t i) const;
};

/// Reads bytes along the axes [count, height, width] or, in npy files, also [count, height, width, 3]. Throws DataError.
ImageArray load_image_array(const std::string& path);

/// The labels of the `count` pictures of `images`, a whole number each: those of the file `labels`; where it names none of
/// "t10k-labels-idx1-ubyte.gz" for "t10k-images-idx3-ubyte.gz", of "labels.npy" for "images.npy", packed or unpacked. With
/// several labels a row [classes] of 0 and 1 each, of which come the classes' numbers as a list (see split_labels). Throws
/// DataError.
std::vector<std::string> load_array_labels(const std::string& images, int64_t count, const LabelFile& labels);

}  // namespace fovea::data
