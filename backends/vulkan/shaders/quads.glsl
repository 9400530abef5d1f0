// Four neighbours of a floating type at once, from an address that is a multiple of their size.
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer FloatQuads { vec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer HalfQuads { f16vec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer ShortQuads { u16vec4 at[]; };

vec4 load_four(uint t, uint64_t at) {
  if (t == type_f16) return vec4(HalfQuads(at).at[0]);
  if (t == type_bf16) return uintBitsToFloat(uvec4(ShortQuads(at).at[0]) << 16);
  return FloatQuads(at).at[0];
}
void store_four(uint t, uint64_t at, vec4 value) {
  if (t == type_f16) {
    HalfQuads(at).at[0] = f16vec4(value);
  } else if (t == type_bf16) {
    ShortQuads(at).at[0] = u16vec4(uvec4(to_bf16(value.x), to_bf16(value.y), to_bf16(value.z), to_bf16(value.w)));
  } else {
    FloatQuads(at).at[0] = value;
  }
}
