#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
#include "convolution.glsl"

// The same for the weight: `lanes` threads sum up one element, over every image and position.
void main() {
  const uint taps = area(p.kernel), positions = area(p.positions), element = p.first * (threads / lanes) + row_here();
  const bool inside = element < p.groups * p.out_channels * p.in_channels * taps;
  const uint filter_ = element / taps, out_channel = filter_ / p.in_channels;
  const uint in_channel = out_channel / p.out_channels * p.in_channels + filter_ % p.in_channels;
  const uvec2 tap = place(element % taps, p.kernel);
  float sum = 0.0;
  for (uint i = lane(); inside && i < p.batch * positions; i += lanes) {
    const uint image = i / positions;
    const uint64_t plane = uint64_t(image * p.groups * p.out_channels + out_channel) * positions;
    const float y = load(p.y + plane * size_of(type), i % positions);
    sum = fma(y, x_read(image, in_channel, place(i % positions, p.positions), tap), sum);
  }
  sum = row_sum(sum);
  if (inside && lane() == 0) store(p.weight, element, sum);
}
