#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "philox.glsl"

// A thread fills four elements with the Philox block of counter offset + thread.
// Normal numbers are those of normal.h bit by bit: every operation here rounds as IEEE 754 says, none is contracted.
const uint kind_uniform = 0, kind_normal = 1;
layout(push_constant, scalar) uniform Parameters {
  uint64_t out_;
  uint offset_low, offset_high, seed_low, seed_high;
  uint count, kind;
} p;

float radius(uint word) {
  precise const float u = float((word >> 8) + 1) * (1.0 / 16777216.0);
  const int bits = floatBitsToInt(u) - 0x3f3504f3;
  const float e = float(bits >> 23);
  precise const float f = intBitsToFloat((bits & 0x007fffff) + 0x3f3504f3) - 1.0;
  precise float q = f * 0.06915336847305298 + -0.11789732426404953;
  q = q * f + 0.11872945725917816;
  q = q * f + -0.12384358793497086;
  q = q * f + 0.14218664169311523;
  q = q * f + -0.16669251024723053;
  q = q * f + 0.20002226531505585;
  q = q * f + -0.24999986588954926;
  q = q * f + 0.3333331048488617;
  precise const float square = f * f;
  precise const float tail = (square * f) * q + e * 3.194618329871446e-05;
  precise const float logarithm = ((tail - 0.5 * square) + f) + e * 0.693115234375;
  precise const float y = -2.0 * logarithm;
  precise float r = intBitsToFloat(0x5f375a86 - (floatBitsToInt(y) >> 1));
  precise const float half_y = 0.5 * y;
  for (int i = 0; i < 3; ++i) r = r * (1.5 - (half_y * r) * r);
  precise const float root = y * r;
  precise const float corrected = root + (0.5 * r) * (y - root * root);
  return corrected;
}

vec2 on_circle(uint word) {
  const int k = int(word >> 8), quarter = (k + (1 << 21)) >> 22;
  precise const float a = float(k - (quarter << 22)) * 3.7450704e-07;
  precise const float s = a * a;
  precise float odd = s * 2.717564711929299e-06 + -0.00019839256128761917;
  odd = odd * s + 0.008333329111337662;
  odd = odd * s + -0.1666666716337204;
  precise const float sine = (odd * s) * a + a;
  precise float even = s * 2.4431208657915704e-05 + -0.0013887305976822972;
  even = even * s + 0.04166664555668831;
  precise const float cosine = ((even * s) * s - 0.5 * s) + 1.0;
  const vec2 turned = (quarter & 1) == 0 ? vec2(cosine, sine) : vec2(-sine, cosine);
  return (quarter & 2) == 0 ? turned : -turned;
}

void main() {
  const uint thread = linear_thread();
  if (uint64_t(thread) * 4 >= p.count) return;
  const uvec4 words = philox_at(uvec2(p.offset_low, p.offset_high), uvec2(thread, 0), uvec2(p.seed_low, p.seed_high));
  vec4 values = vec4(words >> 8) * (1.0 / 16777216.0);
  if (p.kind == kind_uniform) {
    if (type == type_f16) values = min(values, vec4(1.0 - 1.0 / 2048.0));
    if (type == type_bf16) values = min(values, vec4(1.0 - 1.0 / 256.0));
  } else if (p.kind == kind_normal) {
    precise const vec2 first = radius(words.x) * on_circle(words.y), second = radius(words.z) * on_circle(words.w);
    values = vec4(first, second);
  }
  for (uint j = 0; j < 4 && thread * 4 + j < p.count; ++j) {
    if (type == type_i32) {
      Words(p.out_).at[thread * 4 + j] = words[j];
    } else {
      store(p.out_, thread * 4 + j, values[j]);
    }
  }
}
