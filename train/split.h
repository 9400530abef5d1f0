#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::train {

/// The sets of examples that a task holds.
enum class Part : uint8_t { train, valid, test };

/// Where training data lies and how it is divided.
struct TrainingFiles {
  std::string train = {};
  std::string valid = {};  // empty: a part of `train` is held out
  double hold_out = 0.1;   // which share of every class
  uint64_t seed = 0;
  int64_t folds = 0;  // cross-validation: one of so many parts of `train` is kept for testing; 0: none
  int64_t fold = 0;   // which one
};

/// Which examples to hold out for validation: `share` of each class, rounded, but never a class's last example; chosen
/// by `seed`. Throws ValueError unless 0 <= share < 1.
std::vector<bool> hold_out(std::span<const int32_t> labels, double share, uint64_t seed, Caller caller = {});

/// Which of `folds` folds each example belongs to: folds differ by at most one example in their sizes, and in how many
/// they have of a class. Throws ValueError for fewer than two folds or more than examples.
std::vector<int64_t> stratified_folds(std::span<const int32_t> labels, int64_t folds, uint64_t seed,
                                      Caller caller = {});

/// The part of each example of `files.train`, from its class: the fold is kept for testing; where there is no file to
/// validate with, a share of each class of the rest is held out.
std::vector<Part> divide(std::span<const int32_t> labels, const TrainingFiles& files, Caller caller = {});

}  // namespace fovea::train
