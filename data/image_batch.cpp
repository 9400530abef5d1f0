#include "fovea/data/image_batch.h"

#include "fovea/data/batch.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {

ImageBatch make_image_batch(const ImageDataset& set, std::span<const int32_t> labels, std::span<const int64_t> examples,
                            const ImageBatchOptions& options, Caller caller) {
  const auto size = static_cast<size_t>(set.form.channels * set.form.height * set.form.width);
  std::vector<float> values(examples.size() * size);
  for (size_t row = 0; row < examples.size(); ++row) {
    const int64_t example = examples[row];
    if (example < 0 || example >= set.size()) {
      raise<IndexError>(caller, "make_image_batch: no example {}; there are {}", example, set.size());
    }
    augment_image(std::span(set.pixels).subspan(static_cast<size_t>(example) * size, size),
                  std::span(values).subspan(row * size, size), set.form, options.augment, options.seed, example);
  }
  ImageBatch batch{{}, gather_labels(labels, examples, options.device), {}, {examples.begin(), examples.end()}};
  if (options.mixup > 0 && !labels.empty()) {
    const std::vector<Mix> mixes = draw_mixes(examples, options.mixup, options.seed, caller);
    values = blend_rows(values, mixes);
    batch.targets = blend_labels(labels, examples, mixes, options.classes, options.device, options.sets);
  }
  const auto count = static_cast<int64_t>(examples.size());
  batch.images = from_vector(values, {count, set.form.channels, set.form.height, set.form.width}, options.device);
  return batch;
}

}  // namespace fovea::data
