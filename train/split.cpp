#include "fovea/train/split.h"

#include <algorithm>
#include <cmath>

#include "fovea/data/sampler.h"

namespace fovea::train {
namespace {

/// The examples of each class.
std::vector<std::vector<size_t>> by_class(std::span<const int32_t> labels) {
  std::vector<std::vector<size_t>> members;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<size_t>(labels[i]);
    if (label >= members.size()) members.resize(label + 1);
    members[label].push_back(i);
  }
  return members;
}

}  // namespace

std::vector<bool> hold_out(std::span<const int32_t> labels, double share, uint64_t seed, Caller caller) {
  if (!(share >= 0 && share < 1)) raise<ValueError>(caller, "hold_out: a share of {}", share);
  const std::vector<std::vector<size_t>> classes = by_class(labels);
  std::vector<bool> out(labels.size());
  for (size_t c = 0; c < classes.size(); ++c) {
    const std::vector<size_t>& members = classes[c];
    if (members.empty()) continue;
    const auto wanted = static_cast<size_t>(std::llround(share * static_cast<double>(members.size())));
    const size_t count = std::min(wanted, members.size() - 1);
    const std::vector<int64_t> order = data::permutation(static_cast<int64_t>(members.size()), seed, c);
    for (size_t i = 0; i < count; ++i) out[members[static_cast<size_t>(order[i])]] = true;
  }
  return out;
}

std::vector<int64_t> stratified_folds(std::span<const int32_t> labels, int64_t folds, uint64_t seed, Caller caller) {
  if (folds < 2 || folds > static_cast<int64_t>(labels.size())) {
    raise<ValueError>(caller, "stratified_folds: {} folds of {} examples", folds, labels.size());
  }
  const std::vector<std::vector<size_t>> classes = by_class(labels);
  std::vector<int64_t> fold_of(labels.size());
  int64_t next = 0;  // goes on from class to class: so the folds' sizes differ by one at most
  for (size_t c = 0; c < classes.size(); ++c) {
    const std::vector<size_t>& members = classes[c];
    // hold_out draws from streams 0 to classes - 1: other ones here, so that the two choices have nothing in common.
    const uint64_t stream = (uint64_t{1} << 32) + c;
    for (const int64_t i : data::permutation(static_cast<int64_t>(members.size()), seed, stream)) {
      fold_of[members[static_cast<size_t>(i)]] = next++ % folds;
    }
  }
  return fold_of;
}

std::vector<Part> divide(std::span<const int32_t> labels, const TrainingFiles& files, Caller caller) {
  std::vector<Part> parts(labels.size(), Part::train);
  std::vector<size_t> rest;
  std::vector<int32_t> rest_labels;
  const std::vector<int64_t> fold_of =
      files.folds > 0 ? stratified_folds(labels, files.folds, files.seed, caller) : std::vector<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i) {
    if (files.folds > 0 && fold_of[i] == files.fold) {
      parts[i] = Part::test;
    } else {
      rest.push_back(i);
      rest_labels.push_back(labels[i]);
    }
  }
  if (!files.valid.empty()) return parts;
  const std::vector<bool> out = hold_out(rest_labels, files.hold_out, files.seed, caller);
  for (size_t i = 0; i < rest.size(); ++i) {
    if (out[i]) parts[rest[i]] = Part::valid;
  }
  return parts;
}

}  // namespace fovea::train
