#include "fovea/train/image_task.h"

#include <algorithm>

#include "fovea/autograd/reductions.h"
#include "fovea/data/random_stream.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/inference.h"
#include "fovea/train/picture.h"

namespace fovea::train {
namespace {

constexpr double least_mixup = 0.01;  // below it pictures hardly blend

}  // namespace

void ImageTask::declare_model(OptionTable& options) {
  DatasetTask::declare_model(options);
  options.group("Pictures");
  options.add("channels", &image_.form.channels, "1 for grey, 3 for colour",
              {.min = 0, .max = 3, .default_text = "as the first picture"});
  options.add("height", &image_.form.height, "rows that pictures are scaled to",
              {.min = 0, .max = 4096, .default_text = "as the first picture"});
  options.add("width", &image_.form.width, "columns that pictures are scaled to",
              {.min = 0, .max = 4096, .default_text = "as the first picture"});
  options.group("Augmentation");
  data::ImageAugmentOptions& augment = image_.augment;
  options.add("shift", &augment.shift, "most that a picture is shifted, as a share of its size", {.min = 0, .max = 1});
  options.add("rotate", &augment.rotate, "most degrees that it is turned", {.min = 0, .max = 180});
  options.add("scale", &augment.scale, "most that it grows or shrinks, as a share", {.min = 0, .max = 0.9});
  options.add("crop", &augment.crop, "most that is cut off, as a share of its sides", {.min = 0, .max = 0.9});
  options.add("flip", &augment.flip, "swap left and right in every other picture");
  options.add("cutout", &augment.cutout, "side of a square that is blackened, as a share", {.min = 0, .max = 1});
  options.add("mixup", &image_.mixup, "blend pictures in pairs by Beta(X, X)", {.min = 0, .max = 1});
}

data::ImageDataset ImageTask::read(const std::string& source, const data::LabelFile& labels) const {
  if (image_.form.channels == 2) refuse("--channels is 1 or 3");
  if (image_.mixup > 0 && image_.mixup < least_mixup) {
    refuse("--mixup: {} is less than {}; 0 is for none", image_.mixup, least_mixup);
  }
  return data::load_images(source, image_.form, labels);
}

nn::Module& ImageTask::build(Device device) {
  device_ = device;
  model_ = make_model(image_.form, labels().size());
  model_->to(device);
  return *model_;
}

std::unique_ptr<BatchStream> ImageTask::stream(Part part, const StreamOptions& options) {
  const Examples& examples = at(part);
  data::BatchSampler sampler(size(part), options.sampler(examples.classes()));
  const bool changes = part == Part::train && options.shuffle;
  auto loader = std::make_shared<data::DataLoader<data::ImageBatch>>(
      std::move(sampler),
      [this, &examples, changes, seed = options.seed](std::span<const int64_t> chosen, int64_t epoch) {
        data::ImageBatchOptions batching{.device = device_};
        if (changes) {
          batching.augment = image_.augment;
          batching.mixup = image_.mixup;
          batching.classes = labels().size();
          batching.sets = label_sets();
          batching.seed = data::epoch_seed(seed, epoch);
        }
        data::ImageBatch batch =
            data::make_image_batch(*examples.set, examples.labels, examples.rows_of(chosen), batching);
        batch.examples.assign(chosen.begin(), chosen.end());
        return batch;
      });
  return with_label_rows(
      part, std::make_unique<LoaderStream<data::ImageBatch>>(std::move(loader), [this](const data::ImageBatch& batch) {
        return forward(*model_, batch.images).logits;
      }));
}

data::ImageBatch ImageTask::alone(Part part, int64_t example) const {
  const int64_t row = at(part).row(example);
  return data::make_image_batch(*at(part).set, {}, std::span(&row, 1), {.device = device_});
}

Explanation ImageTask::explain(Part part, int64_t example, int32_t) {
  const nn::Evaluating evaluating(*model_);
  const Tensor weights = forward(*model_, alone(part, example).images).weights;
  return explain_picture(at(part).set->image(at(part).row(example)),
                         {weights.size(1), weights.size(2), weights.to_vector<double>()});
}

std::vector<double> ImageTask::unit_weights(Part part, int64_t example, int32_t) {
  const nn::Evaluating evaluating(*model_);
  return forward(*model_, alone(part, example).images).weights.to_vector<double>();
}

Predictions ImageTask::without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) {
  const nn::Evaluating evaluating(*model_);
  const Tensor image = alone(part, example).images;
  const Tensor weights = forward(*model_, image).weights;
  const int64_t channels = image.size(1), height = image.size(2), width = image.size(3);
  const int64_t rows = weights.size(1), columns = weights.size(2);
  const auto pixels = image.to_vector<float>(), colour = mean(image, {0, 2, 3}).to_vector<float>();
  std::vector<float> variants;
  for (const std::vector<size_t>& cells : removed) {
    variants.insert(variants.end(), pixels.begin(), pixels.end());
    float* variant = variants.data() + variants.size() - pixels.size();
    for (const size_t cell : cells) {
      const int64_t row = static_cast<int64_t>(cell) / columns, column = static_cast<int64_t>(cell) % columns;
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t y = row * height / rows; y < (row + 1) * height / rows; ++y) {
          float* line = variant + (c * height + y) * width;
          std::fill(line + column * width / columns, line + (column + 1) * width / columns,
                    colour[static_cast<size_t>(c)]);
        }
      }
    }
  }
  const auto count = static_cast<int64_t>(removed.size());
  const Tensor images = from_vector(variants, Shape{count, channels, height, width}, device_);
  const Tensor probabilities = probabilities_of(forward(*model_, images).logits, multi_label());
  return {.classes = labels().size(), .probabilities = probabilities.to_vector<float>()};
}

onnx::Value ImageTask::emit(const nn::Module&, const onnx::Value&) const { refuse_without_emit(); }

onnx::Value ImageTask::build_graph(onnx::Graph& graph) {
  const data::ImageForm& form = image_.form;
  return emit(*model_, graph.input("images", onnx::Element::f32, {"batch", form.channels, form.height, form.width},
                                   "pixels from 0 to 1"));
}

std::vector<nn::NamedTensor> ImageTask::graph_inputs(Part part, std::span<const int64_t> examples) const {
  return {{"images", data::make_image_batch(*at(part).set, {}, at(part).rows_of(examples)).images}};
}

}  // namespace fovea::train
