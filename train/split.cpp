#include "fovea/train/split.h"

#include <algorithm>
#include <cmath>

#include "fovea/data/sampler.h"

namespace fovea::train {

std::vector<bool> hold_out(std::span<const int32_t> labels, double share, uint64_t seed, Caller caller) {
  if (!(share >= 0 && share < 1)) raise<ValueError>(caller, "hold_out: a share of {}", share);
  std::vector<std::vector<size_t>> by_class;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<size_t>(labels[i]);
    if (label >= by_class.size()) by_class.resize(label + 1);
    by_class[label].push_back(i);
  }
  std::vector<bool> out(labels.size());
  for (size_t c = 0; c < by_class.size(); ++c) {
    const std::vector<size_t>& members = by_class[c];
    if (members.empty()) continue;
    const auto wanted = static_cast<size_t>(std::llround(share * static_cast<double>(members.size())));
    const size_t count = std::min(wanted, members.size() - 1);
    const std::vector<int64_t> order = data::permutation(static_cast<int64_t>(members.size()), seed, c);
    for (size_t i = 0; i < count; ++i) out[members[static_cast<size_t>(order[i])]] = true;
  }
  return out;
}

}  // namespace fovea::train
