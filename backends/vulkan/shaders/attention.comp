#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attention.glsl"

// out = dropout(softmax(scale q k^T + bias)) v and lse, with the softmax taken over the keys as they come (Milakov and
// Gimelshein 2018; Dao et al. 2022). A workgroup takes a tile of one head's queries and blocks * tile columns of v.
// Each row keeps the greatest score so far; a greater one scales down what was gathered before.
const uint parts = threads / tile, part_keys = tile / parts;  // threads that share a row, and keys of each
shared float partial[parts][tile];
shared float shrink[tile];

void main() {
  const uint group = p.first + linear_group();
  if (group >= p.call.groups) return;
  const uint tiles = (p.call.queries + tile - 1) / tile, chunks = max(1, (p.call.value_width + columns - 1) / columns);
  const uint chunk = group % chunks, head = group / chunks / tiles % p.call.heads;
  const uint first = group / chunks % tiles * tile, batch = group / chunks / tiles / p.call.heads;
  const uint key_head = head / (p.call.heads / p.call.key_heads);
  const Matrix q = head_of(p.call.q, p.call.q_steps, batch, head, p.call.queries, p.call.width);
  const Matrix k = head_of(p.call.k, p.call.k_steps, batch, key_head, p.call.keys, p.call.width);
  const Matrix v = head_of(p.call.v, p.call.v_steps, batch, key_head, p.call.keys, p.call.value_width);
  const uint own_row = me() % tile, part = me() / tile;

  vec4 sums[most_sums];
  [[unroll]] for (uint i = 0; i < most_sums; ++i) sums[i] = vec4(0.0);
  float greatest = never, total = 0.0;
  const uvec2 keys = keys_of(first);
  for (uint far = keys.x; far < keys.y; far += tile) {
    vec4 scores[4];
    products(q, first, k, far, scores);
    share_weights(scores);
    barrier();
    float most = greatest;
    [[dont_unroll]] for (uint j = 0; j < part_keys; ++j) {
      const uint key = part * part_keys + j, at = key * pitch + own_row / 4;
      const float score = score_of(weights[at][own_row % 4], batch, head, first + own_row, far + key);
      weights[at][own_row % 4] = score;
      most = max(most, score);
    }
    partial[part][own_row] = most;
    barrier();
    for (uint i = 0; i < parts; ++i) most = max(most, partial[i][own_row]);
    const float smaller = is_readable(greatest) ? exp_(greatest - most) : 0.0;
    if (part == 0) shrink[own_row] = smaller;
    greatest = most;
    total *= smaller;
    RandomWords random;
    random.known = false;
    [[dont_unroll]] for (uint j = 0; j < part_keys; ++j) {
      const uint key = part * part_keys + j, at = key * pitch + own_row / 4;
      const float score = weights[at][own_row % 4];
      float weight = is_readable(score) ? exp_(score - most) : 0.0;
      total += weight;
      if (p.call.dropout > 0.0) weight *= dropout_of(random, batch, head, first + own_row, far + key);
      weights[at][own_row % 4] = weight;
    }
    barrier();
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      [[unroll]] for (uint block = 0; block < blocks; ++block) sums[block * 4 + i] *= shrink[row_here() * 4 + i];
    }
    add_weighted(v, far, chunk * columns, sums);
  }

  partial[part][own_row] = total;
  barrier();
  total = 0.0;
  for (uint i = 0; i < parts; ++i) total += partial[i][own_row];
  if (part == 0) {
    shrink[own_row] = total == 0.0 ? 0.0 : 1.0 / total;
    if (chunk == 0 && first + own_row < p.call.queries) {
      const uint row = (batch * p.call.heads + head) * p.call.queries + first + own_row;
      Floats(p.call.lse).at[row] = total == 0.0     ? -uintBitsToFloat(0x7f800000u)
                                   : is_nan(total) ? total
                                                   : greatest + log_(total);
    }
  }
  barrier();
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    [[unroll]] for (uint block = 0; block < blocks; ++block) sums[block * 4 + i] *= shrink[row_here() * 4 + i];
  }
  const Matrix out_ = head_of(p.call.out_, p.call.out_steps, batch, head, p.call.queries, p.call.value_width);
  store_rows(out_, first, chunk * columns, 1.0, sums);
}
