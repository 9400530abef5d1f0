// What the kernels of convolution share: the sizes of x [batch, groups * in, height, width], weight [groups * out, in,
// kernel], y [batch, groups * out, positions], and which of them is written.
const uint product_y = 0, product_x = 1, product_weight = 2;
layout(constant_id = 5) const uint product = 0;

layout(push_constant, scalar) uniform Parameters {
  uint64_t x, weight, y, bias;  // bias: 0 where absent
  uvec2 size, kernel, positions;  // height, width
  ivec2 stride, padding, dilation;
  uint batch, groups, in_channels, out_channels;  // channels of one group
  uint chunk;  // how much of a weight's sum a workgroup takes
  uint first;  // of this launch's workgroups
} p;

uint area(uvec2 v) { return v.x * v.y; }
uvec2 place(uint i, uvec2 size) { return uvec2(i / size.y, i % size.y); }

float x_at(uint image, uint channel, ivec2 at) {
  if (any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, ivec2(p.size)))) return 0.0;
  const uint64_t plane = uint64_t(image * p.groups * p.in_channels + channel) * area(p.size);
  return load(p.x + plane * size_of(type), uint(at.x) * p.size.y + uint(at.y));
}
// What a tap of the kernel reads at a position.
float x_read(uint image, uint channel, uvec2 position, uvec2 tap) {
  return x_at(image, channel, ivec2(position) * p.stride + ivec2(tap) * p.dilation - p.padding);
}
// y at the position whose tap reads x at `at`, 0 where there is none.
float y_reading(uint image, uint channel, uvec2 at, uvec2 tap) {
  const ivec2 from = ivec2(at) + p.padding - ivec2(tap) * p.dilation;
  const ivec2 position = from / p.stride;
  if (any(lessThan(from, ivec2(0))) || position * p.stride != from ||
      any(greaterThanEqual(position, ivec2(p.positions))))
    return 0.0;
  const uint64_t plane = uint64_t(image * p.groups * p.out_channels + channel) * area(p.positions);
  return load(p.y + plane * size_of(type), uint(position.x) * p.positions.y + uint(position.y));
}
