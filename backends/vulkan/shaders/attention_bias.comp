#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attention.glsl"
#include "attention_backward.glsl"

// dbias = dS, summed over the axes along which the bias was repeated. A workgroup takes a tile of queries (all of them
// where they are summed over) and a tile of keys (likewise) of one batch and head (likewise), in order.

uvec2 part_of(uint index, bool apart, uint count) { return apart ? uvec2(index, index + 1) : uvec2(0, count); }

void main() {
  const uint group = p.first + linear_group();
  if (group >= p.call.groups) return;
  // No copy of the array: the layout that it has in memory is none of a variable's.
  const uvec4 shape = uvec4(p.call.dbias_shape[0], p.call.dbias_shape[1], p.call.dbias_shape[2], p.call.dbias_shape[3]);
  const bool by_query = shape[2] > 1, by_key = shape[3] > 1;
  const uint query_tiles = (p.call.queries + tile - 1) / tile, key_tiles = (p.call.keys + tile - 1) / tile;
  uint rest = group;
  const uint key_tile = rest % (by_key ? key_tiles : 1);
  rest /= by_key ? key_tiles : 1;
  const uint query_tile = rest % (by_query ? query_tiles : 1);
  rest /= by_query ? query_tiles : 1;
  const uint own_head = rest % shape[1], own_batch = rest / shape[1];
  const uvec2 batches = part_of(own_batch, shape[0] > 1, p.call.batch);
  const uvec2 heads = part_of(own_head, shape[1] > 1, p.call.heads);
  const uvec2 query_span = part_of(query_tile, by_query, query_tiles), key_span = part_of(key_tile, by_key, key_tiles);

  vec4 sums[4];
  [[unroll]] for (uint i = 0; i < 4; ++i) sums[i] = vec4(0.0);
  for (uint batch = batches.x; batch < batches.y; ++batch) {
    for (uint head = heads.x; head < heads.y; ++head) {
      const uint key_head = head / (p.call.heads / p.call.key_heads);
      const Matrix q = head_of(p.call.q, p.call.q_steps, batch, head, p.call.queries, p.call.width);
      const Matrix k = head_of(p.call.k, p.call.k_steps, batch, key_head, p.call.keys, p.call.width);
      const Matrix v = head_of(p.call.v, p.call.v_steps, batch, key_head, p.call.keys, p.call.value_width);
      const Matrix dout = head_of(p.call.dout, p.call.dout_steps, batch, head, p.call.queries, p.call.value_width);
      for (uint i = query_span.x; i < query_span.y; ++i) {
        const uvec2 keys = keys_of(i * tile);
        for (uint j = max(key_span.x, keys.x / tile); j < key_span.y && j * tile < keys.y; ++j) {
          vec4 scores[4], dweights[4];
          products(q, i * tile, k, j * tile, scores);
          products(dout, i * tile, v, j * tile, dweights);
          gradients_by_query(batch, head, i * tile, j * tile, scores, dweights);
          [[unroll]] for (uint row = 0; row < 4; ++row) sums[row] += scores[row];
        }
      }
    }
  }

  share_weights(sums);
  barrier();
  const uint rows = by_query ? min(tile, p.call.queries - query_tile * tile) : 1;
  const uint width = by_key ? min(tile, p.call.keys - key_tile * tile) : 1;
  const uint64_t head_start = uint64_t(own_batch * shape[1] + own_head) * shape[2];
  for (uint at = me(); at < rows * width; at += threads) {
    const uint row = at / width, column = at % width;
    float sum = 0.0;
    for (uint i = by_query ? row : 0; i < (by_query ? row + 1 : tile); ++i) {
      for (uint j = by_key ? column : 0; j < (by_key ? column + 1 : tile); ++j)
        sum += weights[j * pitch + i / 4][i % 4];
    }
    const uint64_t place = (head_start + query_tile * tile + row) * shape[3] + key_tile * tile + column;
    store(p.call.dbias + place * size_of(type), 0, sum);
  }
}
