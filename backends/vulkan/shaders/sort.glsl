// Sorting rows of n elements by pairs of key and position, which are all different: any sort of them is a stable sort of
// the keys. Blocks of `block` pairs are sorted in shared memory, then merged two by two.
#include "keys.glsl"

layout(constant_id = 2) const uint block = 1024;
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, values, indices;  // rows of n, k and k elements
  uint64_t from, to;            // pairs between the passes: n a row
  uint rows, n, k, descending;
  uint run;   // merge: length of the sorted runs;  block sort: a power of two from n on, at most `block`
  uint last;  // whether this pass gives the result
} p;

layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Pairs { uvec2 at[]; };  // key, position

bool before(uvec2 a, uvec2 b) { return a.x < b.x || (a.x == b.x && a.y < b.y); }

// Puts a pair where it belongs in its row.
void put(uint row, uint rank, uvec2 pair) {
  if (p.last == 0) {
    Pairs(p.to + uint64_t(row) * p.n * 8).at[rank] = pair;
  } else if (rank < p.k) {
    Words(p.indices + uint64_t(row) * p.k * 4).at[rank] = pair.y;
    const uint size = size_of(type);
    const uint64_t from = row_of(p.x, row, p.n) + uint64_t(pair.y) * size;
    const uint64_t to = row_of(p.values, row, p.k) + uint64_t(rank) * size;
    if (size == 4) {
      Words(to).at[0] = Words(from).at[0];
    } else if (size == 2) {
      Shorts(to).at[0] = Shorts(from).at[0];
    } else {
      Bytes(to).at[0] = Bytes(from).at[0];
    }
  }
}
