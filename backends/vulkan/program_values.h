#pragma once

#include "fovea/backends/vulkan/arithmetic.h"
#include "fovea/backends/vulkan/map_variant.h"

namespace fovea::vulkan {

/// A value of a program inside a shader. A comparison stays a truth value until a number is asked for.
struct Value {
  enum class Kind : uint8_t { number, integer, truth };
  Kind kind = Kind::number;
  spirv::Arithmetic* in = nullptr;
  spirv::Id id = 0;

  static Value of(spirv::Float a) { return {Kind::number, a.in, a.id}; }
  static Value of(spirv::Int a) { return {Kind::integer, a.in, a.id}; }
  static Value of(spirv::Bool a) { return {Kind::truth, a.in, a.id}; }

  spirv::Float number() const;
  spirv::Int integer() const;
  /// Whether it is not 0.
  spirv::Bool truth() const;
};

/// Two partial results of a fold; both of the same kind, as is the result.
Value combine(Combine how, Value a, Value b);

/// The bits at an address: `width` elements in a row, or one for all places of a vector where `splat`.
struct Loaded {
  DType dtype;
  spirv::Id id;  // f32, i32, or 32 bits made of a smaller element
};
Loaded load_element(spirv::Module& module, DType dtype, spirv::Id address, uint32_t width, bool splat);
void store_element(spirv::Module& module, DType dtype, spirv::Id address, Value value, spirv::Arithmetic& arithmetic);

/// The instructions of a program's part, one after the other.
class ProgramValues {
 public:
  ProgramValues(const Program& program, const MapPart& part, spirv::Arithmetic& arithmetic, bool integer);

  void set_input(uint16_t index, Loaded loaded);
  /// `word`: its 32 bits.
  void set_scalar(uint16_t index, spirv::Id word);
  void run();
  Value output(uint16_t instruction) const;

 private:
  Value compute(const Instruction& instruction);
  Value compute_float(const Instruction& instruction);
  Value compute_integer(const Instruction& instruction);

  const Program& program_;
  const MapPart& part_;
  spirv::Arithmetic& arithmetic_;
  bool integer_;
  std::vector<Value> inputs_;
  std::vector<Value> scalars_;
  std::vector<Value> values_;
};

}  // namespace fovea::vulkan
