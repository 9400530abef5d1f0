#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/image.h"
#include "fovea/data/label_file.h"

namespace fovea::data {

/// The form that all pictures of a set are brought to.
struct ImageForm {
  int64_t channels = 0;  // 0: as the first picture has them
  int64_t height = 0;
  int64_t width = 0;

  friend bool operator==(const ImageForm&, const ImageForm&) = default;
};

/// Pictures of one form and the names of their classes.
struct ImageDataset {
  ImageForm form;
  std::vector<uint8_t> pixels;      // [size, channels, height, width]
  std::vector<std::string> labels;  // empty where they are not known
  std::vector<std::string> names;   // what each is called: "cats/1.png", "digits.gz[17]"
  LabelRows label_rows = {};

  int64_t size() const { return static_cast<int64_t>(names.size()); }
  Image image(int64_t example) const;
  std::string_view bytes(int64_t example) const;
};

/// Reads labelled pictures from `source` (see ExampleSource): a folder with one folder of PNG or JPEG files for each class,
/// or whose files `labels` tells of; or an IDX or npy file (see load_array_labels); each file also gzip. Throws DataError,
/// also where a picture may have several labels and folders tell one.
ImageDataset load_images(const std::string& source, ImageForm form = {}, const LabelFile& labels = {});

/// Reads pictures without labels: each source is a PNG or JPEG file, a folder of them or an IDX or npy file.
ImageDataset load_unlabelled_images(std::span<const std::string> sources, ImageForm form = {});

/// Pictures of PNG or JPEG files' bytes.
ImageDataset decode_images(std::span<const std::string> files, ImageForm form = {});

}  // namespace fovea::data
