#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "tiles.glsl"
#include "convolution.glsl"

// The products of a convolution as those of matrices that are never made, one a group:
//   y       [out, batch * positions]     = weight [out, in * kernel] by what the taps read of x
//   x       [in, batch * size]           = weight [in, out * kernel] by the y that read an element
//   weight  [out, in * kernel]           = y [out, batch * positions] by what the taps read of x
// A workgroup computes one tile; of a weight it takes `chunk` of the sum, for several to share, and p.weight is then
// [parts, groups, out, in * kernel] in f32.
layout(constant_id = 6) const uint out_type = 0;

void main() {
  const uint taps = area(p.kernel), own_area = area(p.size), positions = area(p.positions);
  const uint rows = product == product_x ? p.in_channels : p.out_channels;
  const uint width = product == product_y   ? p.batch * positions
                     : product == product_x ? p.batch * own_area
                                            : p.in_channels * taps;
  const uint depth = product == product_y   ? p.in_channels * taps
                     : product == product_x ? p.out_channels * taps
                                            : p.batch * positions;
  const uint tiles_down = (rows + tile - 1) / tile, tiles_across = (width + tile - 1) / tile;
  const uint parts = (depth + p.chunk - 1) / p.chunk;
  uint rest = p.first + linear_group();
  const uint first_row = rest % tiles_down * tile;
  rest /= tiles_down;
  const uint first_column = rest % tiles_across * tile;
  rest /= tiles_across;
  const uint part = rest % parts, group = rest / parts;
  if (group >= p.groups) return;

  // Each thread fills one column of the far slab, and finds out once where that is.
  const uint far_column = me() % tile, column = first_column + far_column;
  const bool inside = column < width;
  uint image = 0, channel = 0;
  uvec2 at = uvec2(0);
  if (product == product_weight) {
    channel = column / taps;
    at = place(column % taps, p.kernel);
  } else {
    const uint plane = product == product_y ? positions : own_area;
    image = column / plane;
    at = place(column % plane, product == product_y ? p.positions : p.size);
  }
  const uint in_first = group * p.in_channels, out_first = group * p.out_channels;

  vec4 sums[4];
  [[unroll]] for (uint i = 0; i < 4; ++i) sums[i] = vec4(0.0);
  const uint end = min(depth, (part + 1) * p.chunk);
  for (uint k0 = part * p.chunk; k0 < end; k0 += slab) {
    for (uint i = me(); i < tile * slab; i += threads) {
      const uint k = k0 + i % slab, row = first_row + i / slab;
      float value = 0.0;
      if (k < end && row < rows) {
        if (product == product_y) {
          value = load(p.weight, (out_first + row) * depth + k);
        } else if (product == product_x) {
          value = load(p.weight, ((out_first + k / taps) * p.in_channels + row) * taps + k % taps);
        } else {
          const uint64_t plane = uint64_t(k / positions * p.groups * p.out_channels + out_first + row) * positions;
          value = load(p.y + plane * size_of(type), k % positions);
        }
      }
      set_own(i % slab, i / slab, value);
    }
    for (uint i = me() / tile; i < slab; i += threads / tile) {
      const uint k = k0 + i;
      float value = 0.0;
      if (k < end && inside) {
        if (product == product_y) {
          value = x_read(image, in_first + k / taps, at, place(k % taps, p.kernel));
        } else if (product == product_x) {
          value = y_reading(image, out_first + k / taps, at, place(k % taps, p.kernel));
        } else {
          value = x_read(k / positions, in_first + channel, place(k % positions, p.positions), at);
        }
      }
      set_far(i, far_column, value);
    }
    add_slabs(min(slab, end - k0), sums);
  }

  [[unroll]] for (uint j = 0; j < 4; ++j) {
    const uint own_column = first_column + column_here() * 4 + j;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      const uint row = first_row + row_here() * 4 + i;
      if (row >= rows || own_column >= width) continue;
      float value = sums[i][j];
      uint64_t to;
      if (product == product_y) {
        if (p.bias != 0) value += load(p.bias, out_first + row);
        const uint64_t plane = uint64_t(own_column / positions * p.groups * p.out_channels + out_first + row);
        to = p.y + (plane * positions + own_column % positions) * size_of(out_type);
      } else if (product == product_x) {
        const uint64_t plane = uint64_t(own_column / own_area * p.groups * p.in_channels + in_first + row);
        to = p.x + (plane * own_area + own_column % own_area) * size_of(out_type);
      } else {
        const uint64_t filters = (uint64_t(part) * p.groups + group) * rows;
        to = p.weight + ((filters + row) * width + own_column) * size_of(out_type);
      }
      store_as(out_type, to, 0, value);
    }
  }
}
