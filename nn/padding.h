#pragma once

#include <vector>

#include "fovea/tensor/tensor.h"

// Sequences of different lengths side by side.
namespace fovea::nn {

/// Sequences [time, ...], each of its own time, with `value` behind the end of the shorter ones: [sequences, longest, ...].
/// Throws ShapeError, DTypeError, DeviceError, ValueError (no sequence).
Tensor pad_sequence(const std::vector<Tensor>& sequences, double value = 0, Caller caller = {});

/// bool [..., time], true before each of the lengths i32 [...]: what layers take as `keep`. Throws DTypeError, ValueError.
Tensor sequence_mask(const Tensor& lengths, int64_t time, Caller caller = {});

}  // namespace fovea::nn
