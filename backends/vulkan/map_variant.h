#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fovea/backends/dtype.h"
#include "fovea/backends/program.h"

namespace fovea::vulkan {

/// How an operand moves from one position of the space to the next. Along a space of rank 1 that is all there is to
/// know; of higher rank it is said of the last axis, and only where that is walked four elements at a time.
enum class Motion : uint8_t { dense, still, strided };

/// What the shader of a program depends on, beside the program: a key under which it is kept.
struct MapVariant {
  static constexpr size_t most_operands = 56;

  uint8_t integer = 0;        // arithmetic in i32, else in f32
  uint8_t width = 1;          // elements that a thread computes at once: 1 or 4
  uint8_t kept_rank = 1;      // axes of the outputs, after axes that move together were joined
  uint8_t reduced_rank = 0;   // axes that are folded; 0 for an elementwise program
  uint8_t memory_params = 0;  // parameters are read through a pointer, for they are too many to push
  uint8_t operand_count = 0;
  uint16_t threads = 64;
  // dtype | motion << 4: the inputs that the outputs need, then the outputs
  std::array<uint8_t, most_operands> operands{};

  void add(DType dtype, Motion motion) {
    operands[operand_count++] = static_cast<uint8_t>(static_cast<unsigned>(dtype) | static_cast<unsigned>(motion) << 4);
  }
  DType dtype(size_t operand) const { return static_cast<DType>(operands[operand] & 15); }
  Motion motion(size_t operand) const { return static_cast<Motion>(operands[operand] >> 4); }
  /// Whether the parameters hold strides of the operand.
  bool has_strides(size_t operand) const {
    return kept_rank > 1 || reduced_rank > 0 || motion(operand) == Motion::strided;
  }
  friend bool operator==(const MapVariant&, const MapVariant&) = default;
};

/// The part of a program that computes some of its outputs: what it needs of the rest.
struct MapPart {
  uint64_t outputs = 0;  // a bit an output
  std::vector<uint16_t> output_list;
  std::vector<uint16_t> inputs;   // rising
  std::vector<uint16_t> scalars;  // rising
  std::vector<bool> needed;       // an instruction each

  MapPart(const Program& program, uint64_t outputs);
};

/// SPIR-V of the part. The parameters, in the push constants or in memory behind the one pointer in them, are the
/// operands' addresses (64 bits each), then 32-bit words:
///   elementwise: the number of positions (of `width` elements);
///   reduction:   positions kept (K), positions folded (R), positions folded by one workgroup, lanes that fold one
///                result together (a power of two), results of a workgroup (threads / lanes), 1 where neighbouring
///                threads fold the same result and 0 where they fold neighbouring ones, workgroups that K takes;
/// then the sizes of the kept axes but the first, of the folded axes but the first, the strides of each operand that
/// has them (kept axes, then, of inputs, folded axes), the scalars.
/// The s-th workgroup of those that share a result stores at s * K from where the output's strides lead.
std::vector<uint32_t> compile_map(const Program& program, const MapPart& part, const MapVariant& variant,
                                  bool preserve_nan);

}  // namespace fovea::vulkan
