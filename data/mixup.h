#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/data/label_sets.h"
#include "fovea/tensor/tensor.h"

// Mixup (Zhang et al. 2018): examples of a batch are blended in pairs, inputs and labels alike.
namespace fovea::data {

/// Which other example of its batch one is blended with.
struct Mix {
  int64_t partner;  // its place in the batch
  float share;      // what it keeps of its own: the greater side of Beta(alpha, alpha)
};

/// One for each example, by random numbers that depend on `seed` and the example alone. 0 < alpha <= 1. Throws
/// ValueError.
std::vector<Mix> draw_mixes(std::span<const int64_t> examples, double alpha, uint64_t seed, Caller caller = {});

/// Blends rows of equal size: each keeps its share and takes the rest from its partner as that was before.
std::vector<float> blend_rows(const std::vector<float>& rows, std::span<const Mix> mixes);

/// What the loss takes in place of labels: f32 [batch, classes], the share of each class; with `sets` the labels are numbers
/// of these.
Tensor blend_labels(std::span<const int32_t> labels, std::span<const int64_t> examples, std::span<const Mix> mixes,
                    int64_t classes, Device device = {}, const LabelSets* sets = nullptr);

}  // namespace fovea::data
