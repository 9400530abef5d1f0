#pragma once

#include <array>
#include <span>

#include "fovea/backends/backend.h"

namespace fovea::vulkan {

/// One pass over a space, with axes that move together joined into one: some axes are kept, the others folded.
struct MapJob {
  static constexpr size_t most_operands = 56;

  // Filled only as far as the ranks and counts reach: a job is made for every call.
  struct Operand {
    uint64_t address;
    DType dtype;
    std::array<int64_t, max_rank> kept;     // strides
    std::array<int64_t, max_rank> reduced;  // strides, of inputs
  };
  int kept_rank = 0;
  int reduced_rank = 0;
  std::array<int64_t, max_rank> kept;     // sizes, outermost first; at least one axis
  std::array<int64_t, max_rank> reduced;  // sizes
  size_t inputs = 0;
  size_t operand_count = 0;
  std::array<Operand, most_operands> operands;  // inputs, then outputs

  int64_t kept_count() const;
  int64_t reduced_count() const;
  /// Whether all offsets and counts are below 2^31, in which a shader reckons.
  bool fits() const;
  /// The two halves of the longest kept axis.
  std::array<MapJob, 2> halves() const;
};

/// `folded` has a bit for every axis that the outputs fold.
MapJob make_job(const Shape& space, uint32_t folded, std::span<const View* const> inputs,
                std::span<const View* const> outputs);

}  // namespace fovea::vulkan
