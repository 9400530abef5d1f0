#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <vector>

#include "fovea/backends/vulkan/shaders/spirv_opcodes.h"

namespace fovea::vulkan::spirv {

using Id = uint32_t;

using Code = fovea::spirv::op::Code;

/// Functions of the instruction set GLSL.std.450.
enum class Extended : uint32_t {
  round_even = 2,
  f_abs = 4,
  s_abs = 5,
  floor = 8,
  ceil = 9,
  sqrt = 31,
  inverse_sqrt = 32,
  f_min = 37,
  s_min = 39,
  f_max = 40,
  s_max = 42,
  fma = 50,
};

enum class Storage : uint32_t { input = 1, workgroup = 4, function = 7, push_constant = 9, physical = 5349 };

/// Builds the words of one compute shader: declarations are made once and found again, instructions go to the end of
/// its only function.
class Module {
 public:
  explicit Module(bool preserve_nan);

  Id type_bool();
  Id type_int(uint32_t bits, bool is_signed);
  Id type_float(uint32_t bits);
  Id type_vector(Id element, uint32_t count);
  Id type_pointer(Storage storage, Id to);
  /// An array or structure is a type of its own each time that it is declared.
  Id type_array(Id element, uint32_t count, uint32_t stride);
  Id type_struct(std::initializer_list<Id> members, std::initializer_list<uint32_t> offsets, bool block);

  Id constant(uint32_t value) { return scalar_constant(type_int(32, false), value); }
  Id constant(int32_t value) { return scalar_constant(type_int(32, true), static_cast<uint32_t>(value)); }
  Id constant(float value) { return scalar_constant(type_float(32), std::bit_cast<uint32_t>(value)); }
  Id constant(uint64_t value);
  /// The same value in each of `count` places; the value itself where that is 1.
  Id splat(Id vector_type, Id value, uint32_t count);

  Id global(Storage storage, Id type);
  /// A 3-vector that the device fills: 24 the workgroups of the grid, 26 the workgroup, 27 the place in it.
  Id builtin(uint32_t which);
  /// A variable of the function.
  Id local(Id type);

  /// An instruction with a result.
  Id emit(Code code, Id type, std::initializer_list<uint32_t> operands);
  /// Likewise, marked so that no driver merges it with another.
  Id emit_exact(Code code, Id type, std::initializer_list<uint32_t> operands);
  Id emit(Extended function, Id type, std::initializer_list<uint32_t> operands);
  /// An instruction without one.
  void emit(Code code, std::initializer_list<uint32_t> operands);
  void decorate(Id id, std::initializer_list<uint32_t> decoration);
  /// Marks a conversion to f16 whose only use is a store.
  void round_to_even(Id conversion);

  Id fresh() { return next_++; }
  void label(Id id) { emit(Code::label, {id}); }

  /// The finished shader; `threads` to a workgroup.
  std::vector<uint32_t> finish(uint32_t threads);

 private:
  Id declare(Code code, std::initializer_list<uint32_t> operands);
  Id declare_constant(Code code, Id type, std::vector<uint32_t> operands);
  Id scalar_constant(Id type, uint32_t word) { return declare_constant(Code::constant, type, {word}); }

  bool preserve_nan_;
  Id next_ = 1;
  Id extended_;
  Id main_;
  std::map<std::vector<uint32_t>, Id> declared_;
  std::map<uint32_t, Id> builtins_;
  std::vector<Id> interface_;
  std::vector<uint32_t> decorations_;
  std::vector<uint32_t> declarations_;
  std::vector<uint32_t> locals_;
  std::vector<uint32_t> body_;
};

}  // namespace fovea::vulkan::spirv
