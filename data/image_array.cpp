#include "fovea/data/image_array.h"

#include <filesystem>
#include <utility>

#include "fovea/data/example_source.h"
#include "fovea/data/file_error.h"
#include "fovea/data/idx.h"
#include "fovea/data/interleaved.h"
#include "fovea/data/npy.h"

namespace fovea::data {
namespace {

namespace fs = std::filesystem;

bool is_npy(const std::string& path) { return ends_in(path, ".npy") || ends_in(path, ".npy.gz"); }

ImageArray load_idx_images(const std::string& path) {
  IdxArray array = load_idx(path);
  if (array.type != IdxArray::Type::u8 || array.shape.size() != 3) {
    fail(path, "an IDX file of images has bytes along 3 axes; this one has {} axes{}", array.shape.size(),
         array.type == IdxArray::Type::u8 ? "" : " of other numbers");
  }
  return {path, array.shape[0], array.shape[1], array.shape[2], 1, std::move(array.bytes)};
}

ImageArray load_npy_images(const std::string& path) {
  const Tensor array = load_npy(path);
  const Shape& shape = array.shape();
  const bool colour = shape.rank() == 4 && shape[3] == 3;
  if (array.dtype() != i32 || (shape.rank() != 3 && !colour) || array.numel() == 0) {
    fail(path,
         "a npy file of images has bytes along the axes [count, height, width] or [count, height, width, 3]; this one "
         "has {} of shape {}",
         array.dtype(), shape);
  }
  ImageArray out{path, shape[0], shape[1], shape[2], colour ? 3 : 1, {}};
  const auto values = array.to_vector<int32_t>();
  const size_t size = values.size() / static_cast<size_t>(out.count);
  out.bytes.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::in_range<uint8_t>(values[i])) {
      fail(path, "a pixel of picture {} is {}; pixels are from 0 to 255", i / size, values[i]);
    }
    out.bytes += static_cast<char>(values[i]);
  }
  return out;
}

std::string labels_beside(const std::string& images) {
  std::string name = fs::path(images).filename();
  const auto replace = [&](std::string_view what, std::string_view by) {
    const size_t at = name.find(what);
    if (at == std::string::npos) return false;
    name.replace(at, what.size(), by);
    return true;
  };
  if (!replace("images", "labels")) {
    fail(images, "a file of images has \"images\" in its name, so that its labels are found beside it");
  }
  replace("idx3", "idx1");
  const fs::path folder = fs::path(images).parent_path();
  const std::string other = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name + ".gz";
  std::error_code error;
  if (!fs::exists(folder / name, error) && fs::exists(folder / other, error)) return folder / other;
  return folder / name;
}

}  // namespace

Image ImageArray::image(int64_t i) const {
  const auto size = static_cast<size_t>(channels * height * width);
  const auto* pixels = reinterpret_cast<const uint8_t*>(bytes.data()) + static_cast<size_t>(i) * size;
  return {channels, height, width, to_planes({pixels, size}, channels)};
}

ImageArray load_image_array(const std::string& path) {
  return is_npy(path) ? load_npy_images(path) : load_idx_images(path);
}

namespace {

/// The numbers of the columns that hold a 1, as a list of each row.
std::vector<std::string> lists_of(const std::string& path, const Tensor& matrix) {
  const auto values = matrix.to(f64).to_vector<double>();
  const int64_t classes = matrix.size(1);
  std::vector<std::string> lists(static_cast<size_t>(matrix.size(0)));
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / classes, column = static_cast<int64_t>(i) % classes;
    if (values[i] != 0 && values[i] != 1) {
      fail(path, "label {} of picture {} is {}; it has to be 0 or 1", column, row, values[i]);
    }
    if (values[i] == 1) lists[static_cast<size_t>(row)] += std::to_string(column) + '\0';
  }
  return lists;
}

}  // namespace

std::vector<std::string> load_array_labels(const std::string& images, int64_t count, const LabelFile& from) {
  const std::string path = from.path.empty() ? labels_beside(images) : from.path;
  if (!from.label_columns.empty()) fail(path, "an array has no columns with names; --label-columns is for tables");
  const Tensor labels = is_npy(path) ? load_npy(path) : load_idx(path).to_tensor();
  if (from.several_labels && labels.rank() != 2) {
    fail(path, "several labels stand along two axes, a row of 0 and 1 for each picture; this file has {}",
         labels.rank());
  }
  if (!from.several_labels && labels.rank() != 1) {
    fail(path, "labels stand along one axis; this file has {}{}", labels.rank(),
         labels.rank() == 2 ? ", which are read with --multi-label" : "");
  }
  if (!from.several_labels && labels.dtype() != i32) fail(path, "labels are whole numbers");
  if (labels.size(0) != count) fail(path, "{} labels for the {} images of {}", labels.size(0), count, images);
  if (from.several_labels) return lists_of(path, labels);
  std::vector<std::string> names;
  for (const int32_t label : labels.to_vector<int32_t>()) names.push_back(std::to_string(label));
  return names;
}

}  // namespace fovea::data
