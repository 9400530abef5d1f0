// What the kernels of a product share: parameters, the tile that a workgroup computes, and what is done with its sums.
//   out [m, n] = a [m, k] b [k, n] + bias [n]
// with any strides, for each member of a batch (the grid's z). With splits, a workgroup takes k_chunk of k and leaves
// its sums for matmul_join.comp.
layout(constant_id = 2) const uint tile_m = 32;
layout(constant_id = 3) const uint tile_n = 32;
layout(constant_id = 4) const uint tile_k = 16;
layout(constant_id = 7) const bool vectors = false;  // neighbours along the dense axis are read together
layout(constant_id = 8) const uint out_type = 0;
layout(constant_id = 9) const uint buffers = 1;  // slabs: with two, the next is stored while the present one is read

layout(push_constant, scalar) uniform Parameters {
  uint64_t a, b, out_, bias;  // bias: 0 where absent
  uint m, n, k, k_chunk;
  int a_row, a_column, b_row, b_column, out_row, out_column;
  uint batch_inner;
  int a_outer, a_inner, b_outer, b_inner, out_outer, out_inner;
  int bias_stride;
  uint epilogue;  // flags, as follow
} p;
const uint partial_sums = 1, writes_fours = 2;  // the last: four columns of out together

struct Place {
  uint64_t a, b, out_;  // of this member of the batch; out_: of this part of k too
  uint row, column;     // the tile's first
  uint k_begin, k_end;
  bool beyond;  // of a folded grid's last row: there is nothing left to compute
};

Place find_place() {
  Place place;
  const uint tiles_m = (p.m + tile_m - 1) / tile_m, tiles_n = (p.n + tile_n - 1) / tile_n;
  const uint group = linear_group();
  const uint tile = group % (tiles_m * tiles_n), part = group / (tiles_m * tiles_n);
  const uint batch = gl_WorkGroupID.z, outer = batch / p.batch_inner, inner = batch % p.batch_inner;
  // Eight rows of tiles at a time, so that neighbours in time share what they read.
  const uint band = tile / (8 * tiles_n), band_rows = min(8, tiles_m - band * 8);
  const uint in_band = tile - band * 8 * tiles_n;
  place.row = (band * 8 + in_band % band_rows) * tile_m;
  place.column = in_band / band_rows * tile_n;
  place.k_begin = part * p.k_chunk;
  place.k_end = min(place.k_begin + p.k_chunk, p.k);
  place.beyond = part > 0 && place.k_begin >= p.k;
  const uint size = size_of(type);
  place.a = p.a + (int64_t(outer) * p.a_outer + int64_t(inner) * p.a_inner) * size;
  place.b = p.b + (int64_t(outer) * p.b_outer + int64_t(inner) * p.b_inner) * size;
  if ((p.epilogue & partial_sums) != 0) {
    place.out_ = p.out_ + (uint64_t(part) * gl_NumWorkGroups.z + batch) * p.m * p.n * 4;
  } else {
    place.out_ = p.out_ + (int64_t(outer) * p.out_outer + int64_t(inner) * p.out_inner) * size_of(out_type);
  }
  return place;
}

// Neighbouring threads read along the axis that is dense.
bool a_along_k() { return p.a_column == 1 || p.a_row != 1; }
bool b_along_n() { return p.b_column == 1 || p.b_row != 1; }

uint64_t out_address(uint64_t matrix, uint row, uint column) {
  return matrix + (int64_t(row) * p.out_row + int64_t(column) * p.out_column) * size_of(out_type);
}
float finished(float sum, uint column) {
  if (p.bias != 0) sum += load(p.bias + int64_t(column) * p.bias_stride * size_of(type), 0);
  return sum;
}
void finish(uint64_t matrix, uint row, uint column, float sum) {
  store_as(out_type, out_address(matrix, row, column), 0, finished(sum, column));
}
