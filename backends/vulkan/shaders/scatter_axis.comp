#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"
#include "lanes.glsl"

// indexed[.., index[.., i, ..], ..] += aligned[.., i, ..]: a thread takes all i of one position of the other axes, in
// order, so that no two threads add to one element and sums are the same in every run.

void main() {
  uint position = linear_thread();
  if (position >= p.at.count) return;
  int aligned = 0, index_at = 0, indexed = 0;
  for (int axis = int(p.at.rank) - 1; axis >= 0; --axis) {
    if (axis == int(p.at.axis)) continue;
    const int i = int(position % uint(p.at.sizes[axis]));
    position /= uint(p.at.sizes[axis]);
    aligned += i * p.at.aligned_strides[axis];
    index_at += i * p.at.index_strides[axis];
    indexed += i * p.at.indexed_strides[axis];
  }
  const int aligned_step = p.at.aligned_strides[p.at.axis], index_step = p.at.index_strides[p.at.axis];
  const uint size = size_of(type);
  for (uint i = 0; i < p.at.steps; ++i) {
    const int chosen = Ints(p.at.index + (int64_t(index_at) + int64_t(i) * index_step) * 4).at[0];
    if (!check_index(p.at.fault, chosen, p.at.bound)) continue;
    const uint64_t from = p.at.aligned + (int64_t(aligned) + int64_t(i) * aligned_step) * size;
    const uint64_t to = p.at.indexed + (int64_t(indexed) + int64_t(chosen) * p.at.indexed_step) * size;
    if (type == type_i32) {
      Ints(to).at[0] += Ints(from).at[0];
    } else {
      store(to, 0, load(to, 0) + load(from, 0));
    }
  }
}
