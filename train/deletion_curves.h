#pragma once

#include <cstdint>
#include <vector>

namespace fovea::train {

/// How fast the right class's probability falls when an example loses its units (tokens, columns, patches, frames),
/// those with the greatest weights first, against units in random order: how far the colours of an explanation may be
/// believed (Samek et al. 2017).
struct DeletionCurves {
  int64_t examples = 0;          // 0: the task has no weights, or there was nothing to test on
  std::vector<double> removed;   // shares of an example's units, from 0 to 1
  std::vector<double> attended;  // mean probability without the units of greatest weight
  std::vector<double> random;    // without as many in random order

  /// The mean difference random - attended: positive where the weights point at what the model decides by; about 0
  /// where they are no better than chance.
  double score() const;
};

}  // namespace fovea::train
