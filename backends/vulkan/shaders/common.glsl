// What every kernel starts from: memory behind addresses, element types, positions in the grid.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0) in;
const uint threads = gl_WorkGroupSize.x;

// DType's values; a kernel's element type is its constant 1.
const uint type_f32 = 0, type_f16 = 2, type_bf16 = 3, type_i32 = 4, type_bool = 5;
layout(constant_id = 1) const uint type = 0;

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Floats { float at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Ints { int at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Words { uint at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 2) buffer Halves { float16_t at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 2) buffer Shorts { uint16_t at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 1) buffer Bytes { uint8_t at[]; };

uint size_of(uint t) { return t == type_f32 || t == type_i32 ? 4 : t == type_bool ? 1 : 2; }

// Element i of an array of floating type t, as f32.
float load_as(uint t, uint64_t array, uint i) {
  if (t == type_f16) return float(Halves(array).at[i]);
  if (t == type_bf16) return uintBitsToFloat(uint(Shorts(array).at[i]) << 16);
  return Floats(array).at[i];
}
// The 16 bits of a bf16.
uint to_bf16(float value) {
  const uint bits = floatBitsToUint(value);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return (nan ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
void store_as(uint t, uint64_t array, uint i, float value) {
  if (t == type_f16) {
    Halves(array).at[i] = float16_t(value);
  } else if (t == type_bf16) {
    Shorts(array).at[i] = uint16_t(to_bf16(value));
  } else {
    Floats(array).at[i] = value;
  }
}
float load(uint64_t array, uint i) { return load_as(type, array, i); }
void store(uint64_t array, uint i, float value) { store_as(type, array, i, value); }

// Where row `row` of n elements of the kernel's type begins.
uint64_t row_of(uint64_t array, uint row, uint n) { return array + uint64_t(row) * n * size_of(type); }

// The workgroup's place in a grid that may be folded over two axes.
uint linear_group() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
uint linear_thread() { return linear_group() * threads + gl_LocalInvocationID.x; }

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }
