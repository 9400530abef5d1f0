// Square tiles of a product, computed by a workgroup of tile / 4 x tile / 4 threads from slabs in shared memory, as
// f32. Thread (column_here, row_here) = (x, y) holds rows 4 y to 4 y + 3 and columns 4 x to 4 x + 3.
layout(constant_id = 2) const uint tile = 32;
layout(constant_id = 3) const uint slab = 32;
layout(constant_id = 4) const uint blocks = 1;  // how many tiles side by side a far slab has room for, 2 at most

const uint across = tile / 4, pitch = across + 1, columns = blocks * tile, wide_pitch = columns / 4 + 1;
const uint most_sums = 4 * 2;  // that a thread holds of as many blocks
shared vec4 own_slab[slab * pitch];
shared vec4 far_slab[slab * wide_pitch];

uint me() { return gl_LocalInvocationID.x; }
uint column_here() { return gl_LocalInvocationID.x % across; }
uint row_here() { return gl_LocalInvocationID.x / across; }

void set_own(uint k, uint row, float value) { own_slab[k * pitch + row / 4][row % 4] = value; }
void set_far(uint k, uint column, float value) { far_slab[k * wide_pitch + column / 4][column % 4] = value; }

// sums[i][j] += sum over k below `count` of own(k, 4 y + i) far(k, 4 x + j), once all threads have filled the slabs; on
// return these may be filled again.
void add_slabs(uint count, inout vec4 sums[4]) {
  barrier();
  for (uint k = 0; k < count; ++k) {
    const vec4 a = own_slab[k * pitch + row_here()], b = far_slab[k * wide_pitch + column_here()];
    [[unroll]] for (uint i = 0; i < 4; ++i) sums[i] = fma(vec4(a[i]), b, sums[i]);
  }
  barrier();
}
