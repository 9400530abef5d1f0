// Philox 4x32-10 (Salmon et al. 2011): the block of random words at a counter.
uvec4 philox(uvec4 counter, uvec2 key) {
  [[dont_unroll]] for (int round = 0; round < 10; ++round) {
    uint high0, low0, high1, low1;
    umulExtended(0xD2511F53u, counter.x, high0, low0);
    umulExtended(0xCD9E8D57u, counter.z, high1, low1);
    counter = uvec4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key += uvec2(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

// The words of block number `block` (low, high) of a stream that starts at `offset`.
uvec4 philox_at(uvec2 offset, uvec2 block, uvec2 seed) {
  uint carry;
  const uint low = uaddCarry(offset.x, block.x, carry);
  return philox(uvec4(low, offset.y + block.y + carry, 0, 0), seed);
}
// A word as a number in [0, 1).
float uniform_(uint word) { return float(word >> 8) * (1.0 / 16777216.0); }
