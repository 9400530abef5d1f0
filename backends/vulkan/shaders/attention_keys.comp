#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attention.glsl"
#include "attention_backward.glsl"

// dv = P^T dO and dk = scale dS^T q, over the queries of every head that shares the key head. A workgroup takes a tile
// of one head's keys and blocks * tile columns of both.
void main() {
  const uint group = p.first + linear_group();
  if (group >= p.call.groups) return;
  const uint tiles = (p.call.keys + tile - 1) / tile;
  const uint chunks = (max(p.call.width, p.call.value_width) + columns - 1) / columns;
  const uint chunk = group % chunks, key_head = group / chunks / tiles % p.call.key_heads;
  const uint first = group / chunks % tiles * tile, batch = group / chunks / tiles / p.call.key_heads;
  const uint shared_by = p.call.heads / p.call.key_heads;
  const Matrix k = head_of(p.call.k, p.call.k_steps, batch, key_head, p.call.keys, p.call.width);
  const Matrix v = head_of(p.call.v, p.call.v_steps, batch, key_head, p.call.keys, p.call.value_width);

  vec4 dk_sums[most_sums], dv_sums[most_sums];
  [[unroll]] for (uint i = 0; i < most_sums; ++i) dk_sums[i] = dv_sums[i] = vec4(0.0);
  const uvec2 queries = queries_of(first);
  for (uint head = key_head * shared_by; head < (key_head + 1) * shared_by; ++head) {
    const Matrix q = head_of(p.call.q, p.call.q_steps, batch, head, p.call.queries, p.call.width);
    const Matrix dout = head_of(p.call.dout, p.call.dout_steps, batch, head, p.call.queries, p.call.value_width);
    for (uint far = queries.x; far < queries.y; far += tile) {
      vec4 scores[4], dweights[4];
      products(k, first, q, far, scores);
      products(v, first, dout, far, dweights);
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        const uint query = far + column_here() * 4 + j;
        const Row row = row_of_query(batch, head, query);
        RandomWords random;
        random.known = false;
        [[unroll]] for (uint i = 0; i < 4; ++i) {
          float weight, dscore;
          gradient_of(random, batch, head, query, first + row_here() * 4 + i, row, scores[i][j], dweights[i][j], weight,
                      dscore);
          scores[i][j] = weight;
          dweights[i][j] = dscore;
        }
      }
      share_weights(scores);
      barrier();
      add_weighted(dout, far, chunk * columns, dv_sums);
      share_weights(dweights);
      barrier();
      add_weighted(q, far, chunk * columns, dk_sums);
    }
  }
  const Matrix dk = head_of(p.call.dk, p.call.dk_steps, batch, key_head, p.call.keys, p.call.width);
  const Matrix dv = head_of(p.call.dv, p.call.dv_steps, batch, key_head, p.call.keys, p.call.value_width);
  store_rows(dk, first, chunk * columns, p.call.scale, dk_sums);
  store_rows(dv, first, chunk * columns, 1.0, dv_sums);
}
