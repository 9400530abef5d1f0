#include "fovea/data/image_dataset.h"

#include <filesystem>

#include "fovea/data/example_source.h"
#include "fovea/data/file_error.h"
#include "fovea/data/image_array.h"
#include "fovea/data/image_file.h"

namespace fovea::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t most_side = 4096;
constexpr size_t most_set_pixels = size_t{1} << 34;

constexpr std::string_view picture_endings[] = {".png",  ".jpg",  ".jpeg", ".gif", ".bmp", ".tif", ".tiff",
                                                ".webp", ".avif", ".heic", ".jp2", ".jxl", ".pgm", ".ppm"};
constexpr FileKinds picture_files{picture_endings, 3};

std::vector<std::string> pictures_below(const ExampleSource& source) {
  return readable_files(source, files_below(source.path, picture_files.endings), picture_files);
}

class Collector {
 public:
  explicit Collector(ImageForm form) { set_.form = form; }

  void add(const Image& image, std::string name) {
    ImageForm& form = set_.form;
    if (form.channels == 0) form.channels = image.channels;
    if (form.height == 0) form.height = image.height;
    if (form.width == 0) form.width = image.width;
    if (form.height > most_side || form.width > most_side) {
      fail(name, "{} x {} pixels are too many to learn from; choose fewer by --height and --width", form.height,
           form.width);
    }
    const Image fitting = resize(with_channels(image, form.channels), form.height, form.width);
    if (set_.pixels.size() + fitting.pixels.size() > most_set_pixels)
      fail(name, "more pictures than memory should hold");
    set_.pixels.insert(set_.pixels.end(), fitting.pixels.begin(), fitting.pixels.end());
    set_.names.push_back(std::move(name));
  }
  ImageDataset& set() { return set_; }

 private:
  ImageDataset set_;
};

void add_array(const ExampleSource& source, const ImageArray& array, Collector& to) {
  const auto [first, last] = source.range(array.count);
  for (int64_t i = first; i < last; ++i) to.add(array.image(i), fmt::format("{}[{}]", source.path, i));
}

void add_labelled_array(const ExampleSource& source, const LabelFile& from, Collector& to) {
  const ImageArray images = load_image_array(source.path);
  const std::vector<std::string> labels = load_array_labels(source.path, images.count, from);
  add_array(source, images, to);
  const auto [first, last] = source.range(images.count);
  to.set().labels.assign(labels.begin() + first, labels.begin() + last);
}

void add_labelled_folder(const ExampleSource& source, const LabelFile& from, Collector& to) {
  const std::vector<std::string> all = files_below(source.path, picture_files.endings),
                                 files = readable_files(source, all, picture_files);
  std::vector<std::string> chosen;
  for (const size_t i : source.of(files)) chosen.push_back(files[i]);
  ImageDataset& set = to.set();
  if (!from.path.empty()) set.labels = load_file_labels(from, source, all, chosen, set.label_rows);
  for (const std::string& file : chosen) {
    const std::string path = fs::path(source.path) / file;
    if (from.path.empty()) {
      set.labels.push_back(first_folder(file));
      if (set.labels.back().empty()) fail(path, "stands in no folder that would name its class");
    }
    to.add(load_image(path), path);
  }
}

}  // namespace

Image ImageDataset::image(int64_t example) const {
  const int64_t size = form.channels * form.height * form.width;
  const auto begin = pixels.begin() + example * size;
  return {form.channels, form.height, form.width, std::vector<uint8_t>(begin, begin + size)};
}

std::string_view ImageDataset::bytes(int64_t example) const {
  const auto size = static_cast<size_t>(form.channels * form.height * form.width);
  return {reinterpret_cast<const char*>(pixels.data()) + static_cast<size_t>(example) * size, size};
}

ImageDataset load_images(const std::string& source, ImageForm form, const LabelFile& labels) {
  const ExampleSource parsed = ExampleSource::parse(source);
  Collector collector(form);
  if (is_folder(parsed.path)) {
    refuse_lone_labels(labels, source);
    add_labelled_folder(parsed, labels, collector);
  } else {
    add_labelled_array(parsed, labels, collector);
  }
  return std::move(collector.set());
}

ImageDataset load_unlabelled_images(std::span<const std::string> sources, ImageForm form) {
  Collector collector(form);
  for (const std::string& source : sources) {
    const ExampleSource parsed = ExampleSource::parse(source);
    if (is_folder(parsed.path)) {
      const std::vector<std::string> files = pictures_below(parsed);
      for (const size_t i : parsed.of(files)) {
        const std::string path = fs::path(parsed.path) / files[i];
        collector.add(load_image(path), path);
      }
    } else if (picture_files.can_read(parsed.path)) {
      if (!parsed.selection.empty()) fail(source, "the file is one picture: there is nothing to choose");
      collector.add(load_image(parsed.path), parsed.path);
    } else {
      add_array(parsed, load_image_array(parsed.path), collector);
    }
  }
  return std::move(collector.set());
}

ImageDataset decode_images(std::span<const std::string> files, ImageForm form) {
  Collector collector(form);
  for (const std::string& bytes : files) collector.add(decode_image(bytes, "picture"), "picture");
  return std::move(collector.set());
}

}  // namespace fovea::data
