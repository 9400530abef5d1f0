#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "convolution.glsl"

// Convolutions whose groups have too few channels to make tiles of (depthwise ones): a thread sums up one element of y
// or x.
void main() {
  const uint taps = area(p.kernel), i = p.first * threads + linear_thread();
  const uvec2 size = product == product_y ? p.positions : p.size;
  const uint own_channels = product == product_y ? p.out_channels : p.in_channels;
  const uint far_channels = product == product_y ? p.in_channels : p.out_channels;
  const uint plane = i / area(size), channels = p.groups * own_channels;
  const uint image = plane / channels, channel = plane % channels;
  if (image >= p.batch) return;
  const uint group = channel / own_channels;
  const uvec2 at = place(i % area(size), size);
  float sum = product == product_y && p.bias != 0 ? load(p.bias, channel) : 0.0;
  for (uint c = 0; c < far_channels; ++c) {
    const uint far = group * far_channels + c;
    const uint filter_ =
        product == product_y ? channel * far_channels + c : far * own_channels + channel % own_channels;
    for (uint t = 0; t < taps; ++t) {
      const uvec2 tap = place(t, p.kernel);
      const float value = product == product_y ? x_read(image, far, at, tap) : y_reading(image, far, at, tap);
      sum = fma(load(p.weight, filter_ * taps + t), value, sum);
    }
  }
  store(product == product_y ? p.y : p.x, i, sum);
}
