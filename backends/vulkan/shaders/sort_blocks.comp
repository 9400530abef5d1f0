#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "sort.glsl"

// Bitonic sort (Batcher 1968) of blocks in shared memory. A workgroup takes block / run rows where a row fits into a run,
// else one block of a row.
shared uvec2 pairs[block];

void main() {
  const uint group = linear_group(), me = gl_LocalInvocationID.x;
  const uint blocks = (p.n + p.run - 1) / p.run;  // of a row
  const uint together = block / p.run;            // runs of this workgroup
  for (uint i = me; i < block; i += threads) {
    const uint run = group * together + i / p.run, row = run / blocks, place = run % blocks * p.run + i % p.run;
    uvec2 pair = uvec2(0xffffffffu);
    if (row < p.rows && place < p.n) {
      const uint key = key_at(row_of(p.x, row, p.n), place);
      pair = uvec2(p.descending != 0 ? ~key : key, place);
    }
    pairs[i] = pair;
  }
  barrier();
  for (uint size = 2; size <= p.run; size *= 2) {
    for (uint distance = size / 2; distance > 0; distance /= 2) {
      for (uint t = me; t < block / 2; t += threads) {
        const uint low = t / distance * 2 * distance + t % distance, high = low + distance;
        const bool rising = (low % p.run & size) == 0;
        const uvec2 a = pairs[low], b = pairs[high];
        if (before(b, a) == rising) {
          pairs[low] = b;
          pairs[high] = a;
        }
      }
      barrier();
    }
  }
  for (uint i = me; i < block; i += threads) {
    const uint run = group * together + i / p.run, row = run / blocks, place = run % blocks * p.run + i % p.run;
    if (row < p.rows && place < p.n) put(row, place, pairs[i]);
  }
}
