// What the kernels of attention share. Scores are made in square tiles of queries and keys: one side of a tile, `own`,
// belongs to the workgroup, the other, `far`, is gone through from tile to tile.
#include "math.glsl"
#include "philox.glsl"
#include "tiles.glsl"

struct Steps {
  int batch, head, row;  // strides; the last axis is dense
};

layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer Call {
  uint64_t q, k, v, out_, lse, bias, keep;        // bias, keep: 0 where absent
  uint64_t dout, delta, dq, dk, dv, dbias;        // of the backward pass; delta = sum(dout * out) by query
  Steps q_steps, k_steps, v_steps, out_steps, dout_steps, dq_steps, dk_steps, dv_steps;
  int bias_steps[4];
  uint dbias_shape[4];  // 1 where it is summed over
  uint batch, heads, key_heads, queries, keys, width, value_width;
  int offset, window;
  uint causal;
  float scale, dropout;
  uint seed_low, seed_high, counter_low, counter_high;
  uint groups;  // workgroups in all
};
layout(push_constant, scalar) uniform Parameters {
  Call call;
  uint first;  // of this launch's workgroups
} p;

shared vec4 weights[tile * pitch];  // [far][own]

const float never = -1e38;  // the score of a key that may not be read
bool is_readable(float score) { return is_nan(score) || score > never; }

// One head's matrix [count, width].
struct Matrix {
  uint64_t data;
  int row;
  uint count, width;
};
Matrix head_of(uint64_t array, Steps steps, uint batch, uint head, uint count, uint width) {
  const int64_t start = int64_t(batch) * steps.batch + int64_t(head) * steps.head;
  return Matrix(array + start * size_of(type), steps.row, count, width);
}
float element(Matrix m, uint row, uint column) {
  if (row >= m.count || column >= m.width) return 0.0;
  return load(m.data + int64_t(row) * m.row * size_of(type), column);
}
void set_element(Matrix m, uint row, uint column, float value) {
  if (row < m.count && column < m.width) store(m.data + int64_t(row) * m.row * size_of(type), column, value);
}

// sums[i][j] = row own_first + 4 y + i of `own` times row far_first + 4 x + j of `far`.
void products(Matrix own, uint own_first, Matrix far, uint far_first, out vec4 sums[4]) {
  [[unroll]] for (uint i = 0; i < 4; ++i) sums[i] = vec4(0.0);
  for (uint k0 = 0; k0 < own.width; k0 += slab) {
    for (uint i = me(); i < tile * slab; i += threads) {
      const uint row = i / slab, k = i % slab;
      set_own(k, row, element(own, own_first + row, k0 + k));
      set_far(k, row, element(far, far_first + row, k0 + k));
    }
    add_slabs(min(slab, own.width - k0), sums);
  }
}

// Leaves a tile where all threads find it.
void share_weights(vec4 values[4]) {
  const mat4 by_far = transpose(mat4(values[0], values[1], values[2], values[3]));
  [[unroll]] for (uint j = 0; j < 4; ++j) weights[(column_here() * 4 + j) * pitch + row_here()] = by_far[j];
}

// sums(i, column) += sum over the shared weights' far axis of weight(far, own i) * m(far_first + far, first_column +
// column), for the thread's four rows and, in blocks of `tile`, its columns. All threads have shared their weights.
void add_weighted(Matrix m, uint far_first, uint first_column, inout vec4 sums[most_sums]) {
  for (uint k0 = 0; k0 < tile && far_first + k0 < m.count; k0 += slab) {
    for (uint i = me(); i < slab * columns; i += threads) {
      const uint k = i / columns, column = i % columns;
      set_far(k, column, element(m, far_first + k0 + k, first_column + column));
    }
    barrier();
    [[dont_unroll]] for (uint k = 0; k < slab; ++k) {
      const vec4 weight = weights[(k0 + k) * pitch + row_here()];
      [[unroll]] for (uint block = 0; block < blocks; ++block) {
        const vec4 b = far_slab[k * wide_pitch + block * across + column_here()];
        [[unroll]] for (uint i = 0; i < 4; ++i)
          sums[block * 4 + i] = fma(vec4(weight[i]), b, sums[block * 4 + i]);
      }
    }
    barrier();
  }
}

// Stores the workgroup's sums, a block of columns at a time, by way of the shared weights.
void store_rows(Matrix m, uint own_first, uint first_column, float factor, vec4 sums[most_sums]) {
  [[unroll]] for (uint block = 0; block < blocks; ++block) {
    barrier();
    [[unroll]] for (uint i = 0; i < 4; ++i)
      weights[(row_here() * 4 + i) * pitch + column_here()] = sums[block * 4 + i] * factor;
    barrier();
    for (uint i = me(); i < tile * tile; i += threads) {
      const uint row = i / tile, column = i % tile;
      const float value = weights[row * pitch + column / 4][column % 4];
      set_element(m, own_first + row, first_column + block * tile + column, value);
    }
  }
}

bool may_read(uint batch, uint query, uint key) {
  const int position = int(query) + p.call.offset, distance = position - int(key);
  return query < p.call.queries && key < p.call.keys && (p.call.causal == 0 || distance >= 0) &&
         (p.call.window == 0 || abs(distance) < p.call.window) &&
         (p.call.keep == 0 || uint(Bytes(p.call.keep + uint64_t(batch) * p.call.keys).at[key]) != 0);
}

// What the product of a query and a key counts as.
float score_of(float product, uint batch, uint head, uint query, uint key) {
  if (!may_read(batch, query, key)) return never;
  float score = product * p.call.scale;
  if (p.call.bias != 0) {
    const int64_t at = int64_t(batch) * p.call.bias_steps[0] + int64_t(head) * p.call.bias_steps[1] +
                       int64_t(query) * p.call.bias_steps[2] + int64_t(key) * p.call.bias_steps[3];
    score += load(p.call.bias + at * size_of(type), 0);
  }
  return score;
}

// 0 where dropout drops the weight, else what it grows by. The block of random words is kept from call to call.
struct RandomWords {
  uint64_t block;
  uvec4 words;
  bool known;
};
float dropout_of(inout RandomWords kept, uint batch, uint head, uint query, uint key) {
  const uint64_t row = (uint64_t(batch) * p.call.heads + head) * p.call.queries + query;
  const uint64_t number = row * p.call.keys + key, block = number / 4;
  if (!kept.known || block != kept.block) {
    kept.words = philox_at(uvec2(p.call.counter_low, p.call.counter_high), uvec2(uint(block), uint(block >> 32)),
                           uvec2(p.call.seed_low, p.call.seed_high));
    kept.block = block;
    kept.known = true;
  }
  return uniform_(kept.words[uint(number) & 3]) < p.call.dropout ? 0.0 : 1.0 / (1.0 - p.call.dropout);
}

// The tiles of keys that some query of a tile may read by position alone, and of queries that may read some key.
uvec2 span(int begin, int end, uint count) {
  const uint first = uint(clamp(begin, 0, int(count))) / tile * tile;
  return uvec2(first, max(uint(clamp(end, 0, int(count))), first));
}
uvec2 keys_of(uint first_query) {
  const int low = int(first_query) + p.call.offset, high = low + int(tile) - 1, window = p.call.window;
  const int begin = window > 0 ? low - window + 1 : 0;
  int end = window > 0 && window < int(p.call.keys) - high ? high + window : int(p.call.keys);
  if (p.call.causal != 0) end = min(end, high + 1);
  return span(begin, end, p.call.keys);
}
uvec2 queries_of(uint first_key) {
  const int low = int(first_key) - p.call.offset, high = low + int(tile) - 1, window = p.call.window;
  int begin = window > 0 ? low - window + 1 : 0;
  if (p.call.causal != 0) begin = max(begin, low);
  const int end = window > 0 && window < int(p.call.queries) - high ? high + window : int(p.call.queries);
  return span(begin, end, p.call.queries);
}
