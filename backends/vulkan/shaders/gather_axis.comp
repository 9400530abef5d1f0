#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"
#include "lanes.glsl"

// aligned[.., i, ..] = indexed[.., index[.., i, ..], ..]: a thread moves one element of 1, 2 or 4 bytes (constant 2).
layout(constant_id = 2) const uint unit = 4;

void main() {
  uint position = linear_thread();
  if (position >= p.at.count) return;
  int aligned = 0, index_at = 0, indexed = 0;
  for (int axis = int(p.at.rank) - 1; axis >= 0; --axis) {
    const int i = int(position % uint(p.at.sizes[axis]));
    position /= uint(p.at.sizes[axis]);
    aligned += i * p.at.aligned_strides[axis];
    index_at += i * p.at.index_strides[axis];
    if (axis != int(p.at.axis)) indexed += i * p.at.indexed_strides[axis];
  }
  const int chosen = Ints(p.at.index + int64_t(index_at) * 4).at[0];
  const bool there = check_index(p.at.fault, chosen, p.at.bound);
  const uint64_t from = p.at.indexed + (int64_t(indexed) + int64_t(chosen) * p.at.indexed_step) * unit;
  const uint64_t to = p.at.aligned + int64_t(aligned) * unit;
  if (unit == 4) {
    Words(to).at[0] = there ? Words(from).at[0] : 0;
  } else if (unit == 2) {
    Shorts(to).at[0] = there ? Shorts(from).at[0] : uint16_t(0);
  } else {
    Bytes(to).at[0] = there ? Bytes(from).at[0] : uint8_t(0);
  }
}
