#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attention.glsl"
#include "attention_backward.glsl"

// dq = scale dS k. A workgroup takes a tile of one head's queries and blocks * tile columns.
void main() {
  const uint group = p.first + linear_group();
  if (group >= p.call.groups) return;
  const uint tiles = (p.call.queries + tile - 1) / tile, chunks = (p.call.width + columns - 1) / columns;
  const uint chunk = group % chunks, head = group / chunks / tiles % p.call.heads;
  const uint first = group / chunks % tiles * tile, batch = group / chunks / tiles / p.call.heads;
  const uint key_head = head / (p.call.heads / p.call.key_heads);
  const Matrix q = head_of(p.call.q, p.call.q_steps, batch, head, p.call.queries, p.call.width);
  const Matrix k = head_of(p.call.k, p.call.k_steps, batch, key_head, p.call.keys, p.call.width);
  const Matrix v = head_of(p.call.v, p.call.v_steps, batch, key_head, p.call.keys, p.call.value_width);
  const Matrix dout = head_of(p.call.dout, p.call.dout_steps, batch, head, p.call.queries, p.call.value_width);

  vec4 sums[most_sums];
  [[unroll]] for (uint i = 0; i < most_sums; ++i) sums[i] = vec4(0.0);
  const uvec2 keys = keys_of(first);
  for (uint far = keys.x; far < keys.y; far += tile) {
    vec4 scores[4], dweights[4];
    products(q, first, k, far, scores);
    products(dout, first, v, far, dweights);
    gradients_by_query(batch, head, first, far, scores, dweights);
    share_weights(scores);
    barrier();
    add_weighted(k, far, chunk * columns, sums);
  }
  const Matrix dq = head_of(p.call.dq, p.call.dq_steps, batch, head, p.call.queries, p.call.width);
  store_rows(dq, first, chunk * columns, p.call.scale, sums);
}
