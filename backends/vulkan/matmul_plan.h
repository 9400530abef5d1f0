#pragma once

#include "fovea/backends/vulkan/engine.h"
#include "fovea/backends/vulkan/matmul_tiles.h"

namespace fovea::vulkan {

struct Matrix {
  uint64_t address;
  int64_t row, column;  // strides

  bool along_columns() const { return column == 1 || row != 1; }  // the axis that neighbouring threads read along
};

/// One product and how its operands step through two axes of a batch.
struct MatmulPlan {
  int64_t m, n, k;
  Matrix a, b, out;
  int64_t batch[2] = {1, 1};  // outer, inner
  int64_t a_step[2] = {0, 0}, b_step[2] = {0, 0}, out_step[2] = {0, 0};
  const View* bias = nullptr;
  int64_t chunk = 0;  // of k, which is cut where there are too few tiles: see cut()

  MatmulSize size() const { return {m, n, k, batch[0] * batch[1]}; }
};

/// Which shader runs a product: matmul.comp with a tile of matmul_tiles(), or matmul_cooperative.comp with one of
/// cooperative_tiles().
struct MatmulVariant {
  bool cooperative = false;
  size_t tile = plain_tile;
};

MatmulDevice matmul_device(const Engine& engine);
/// Cuts the k of a whole product, which may be run in pieces: the order of a sum must not depend on these.
void cut(const Engine& engine, MatmulPlan& plan);
/// Whether a and b are read several neighbours at a time: along a dense axis whose length and whose strides are
/// multiples of as many, from addresses that are too.
bool reads_vectors(const Engine& engine, DType dtype, const MatmulPlan& plan, bool cooperative);
MatmulClass class_of(const Engine& engine, DType dtype, const MatmulPlan& plan, bool cooperative);

/// Records one product. `call` names the buffers (and the epilogue), `plan` the place in them.
void launch_matmul(Engine& engine, const MatmulCall& call, const MatmulPlan& plan, MatmulVariant variant);

}  // namespace fovea::vulkan
