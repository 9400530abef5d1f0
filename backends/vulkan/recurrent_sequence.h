#pragma once

#include <optional>

#include "fovea/backends/vulkan/recurrent_layer.h"

// A launch for all steps of a sequence.
namespace fovea::vulkan {

/// How the launches for whole sequences are made: see recurrent_sequence.comp.
struct SequencePlan {
  uint32_t rows;     // members of the batch that a workgroup takes
  uint32_t threads;  // of forward
  uint32_t parts;    // threads that share a column of the weights in backward
  uint64_t groups;

  /// Nothing where a launch a step does better or a workgroup has no room.
  static std::optional<SequencePlan> of(const Engine& engine, const RecurrentCall& call, size_t directions);

 private:
  /// Of backward, which takes more than forward.
  int64_t shared_bytes(const RecurrentLayer& layer, uint32_t with_parts) const;
};

void recurrent_sequences(Engine& engine, const RecurrentCalls& calls, const SequencePlan& plan);
/// du[i]: where the gradients of the product with the weights are written.
void recurrent_sequences_backward(Engine& engine, const RecurrentBackwardCalls& calls, const SequencePlan& plan,
                                  const View* du);

}  // namespace fovea::vulkan
