#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/data/image_augment.h"
#include "fovea/data/image_dataset.h"
#include "fovea/data/mixup.h"
#include "fovea/tensor/tensor.h"

namespace fovea::data {

/// Pictures as a model is fed with them.
struct ImageBatch {
  Tensor images;                  // f32 [batch, channels, height, width], from 0 to 1
  Tensor labels;                  // i32 [batch]; undefined where the pictures have none
  Tensor targets;                 // f32 [batch, classes] where pictures are mixed, else undefined
  std::vector<int64_t> examples;  // which ones they are
};

struct ImageBatchOptions {
  ImageAugmentOptions augment = {};
  double mixup = 0;                 // alpha of draw_mixes; 0: none
  int64_t classes = 0;              // for mixup
  const LabelSets* sets = nullptr;  // for mixup: what labels are numbers of, where a picture may have several
  uint64_t seed = 0;                // of what is random; that depends on it and the picture alone
  Device device = {};
};

/// The batch of some pictures; `labels`, a class id for each picture of the set, may be empty. Throws IndexError where
/// there is no such picture.
ImageBatch make_image_batch(const ImageDataset& set, std::span<const int32_t> labels, std::span<const int64_t> examples,
                            const ImageBatchOptions& options = {}, Caller caller = {});

}  // namespace fovea::data
