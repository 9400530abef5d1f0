#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace fovea::vulkan::spirv {

using Id = uint32_t;

/// The instructions that the emitter uses (SPIR-V specification, 3.52).
enum class Code : uint16_t {
  memory_model = 14,
  entry_point = 15,
  execution_mode = 16,
  capability = 17,
  ext_inst_import = 11,
  ext_inst = 12,
  type_void = 19,
  type_bool = 20,
  type_int = 21,
  type_float = 22,
  type_vector = 23,
  type_array = 28,
  type_struct = 30,
  type_pointer = 32,
  type_function = 33,
  constant = 43,
  constant_composite = 44,
  function = 54,
  function_end = 56,
  variable = 59,
  load = 61,
  store = 62,
  access_chain = 65,
  decorate = 71,
  member_decorate = 72,
  composite_construct = 80,
  composite_extract = 81,
  convert_f_to_s = 110,
  convert_s_to_f = 111,
  u_convert = 113,
  s_convert = 114,
  f_convert = 115,
  convert_u_to_ptr = 120,
  bitcast = 124,
  s_negate = 126,
  f_negate = 127,
  i_add = 128,
  f_add = 129,
  i_sub = 130,
  f_sub = 131,
  i_mul = 132,
  f_mul = 133,
  u_div = 134,
  s_div = 135,
  f_div = 136,
  u_mod = 137,
  logical_or = 166,
  logical_and = 167,
  logical_not = 168,
  select = 169,
  i_equal = 170,
  i_not_equal = 171,
  u_greater_than = 172,
  s_greater_than = 173,
  u_less_than = 176,
  s_less_than = 177,
  s_less_than_equal = 179,
  f_ord_equal = 180,
  f_unord_not_equal = 183,
  f_ord_less_than = 184,
  f_ord_greater_than = 186,
  f_ord_less_than_equal = 188,
  shift_right_logical = 194,
  shift_right_arithmetic = 195,
  shift_left_logical = 196,
  bitwise_or = 197,
  bitwise_and = 199,
  control_barrier = 224,
  loop_merge = 246,
  selection_merge = 247,
  label = 248,
  branch = 249,
  branch_conditional = 250,
  return_ = 253,
};

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
