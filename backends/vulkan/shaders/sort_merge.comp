#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "sort.glsl"

// Merges neighbouring sorted runs: a thread finds its pair's rank by counting, with a binary search, those of the other
// run that come before it.
void main() {
  const uint thread = linear_thread();
  const uint row = thread / p.n, i = thread % p.n;
  if (row >= p.rows) return;
  Pairs pairs = Pairs(p.from + uint64_t(row) * p.n * 8);
  const uint begin = i / (2 * p.run) * (2 * p.run);
  const uint middle = min(begin + p.run, p.n), end = min(middle + p.run, p.n);
  const uvec2 mine = pairs.at[i];
  const bool in_first = i < middle;
  uint low = in_first ? middle : begin, high = in_first ? end : middle;
  const uint start = low;
  while (low < high) {
    const uint here = (low + high) / 2;
    if (before(pairs.at[here], mine)) {
      low = here + 1;
    } else {
      high = here;
    }
  }
  put(row, begin + (i - (in_first ? begin : middle)) + (low - start), mine);
}
