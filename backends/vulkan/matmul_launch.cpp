
#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/matmul_plan.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {
namespace {

int32_t matmul_stride(int64_t value) { return stride("matmul", value); }

constexpr uint32_t partial_sums = 1, writes_fours = 2;  // in `epilogue`, as in matmul.glsl

bool aligned(const Matrix& x, const int64_t (&step)[2], int64_t width, size_t element) {
  return x.address % (static_cast<uint64_t>(width) * element) == 0 && step[0] % width == 0 && step[1] % width == 0;
}

bool reads_vectors(const Matrix& x, int64_t rows, int64_t columns, const int64_t (&step)[2], int64_t width,
                   size_t element) {
  if (!aligned(x, step, width, element)) return false;
  if (x.column == 1) return x.row % width == 0 && columns % width == 0;
  return x.row == 1 && x.column % width == 0 && rows % width == 0;
}

// What matmul.glsl is given.
struct Push {
  uint64_t a, b, out, bias;
  uint32_t m, n, k, k_chunk;
  int32_t a_row, a_column, b_row, b_column, out_row, out_column;
  uint32_t batch_inner;
  int32_t a_outer, a_inner, b_outer, b_inner, out_outer, out_inner;
  int32_t bias_stride;
  uint32_t epilogue;
  uint32_t unused;
};

Push make_push(const MatmulPlan& plan, uint32_t epilogue) {
  return {plan.a.address,
          plan.b.address,
          plan.out.address,
          address_of(plan.bias),
          word(plan.m),
          word(plan.n),
          word(plan.k),
          word(plan.chunk),
          matmul_stride(plan.a.row),
          matmul_stride(plan.a.column),
          matmul_stride(plan.b.row),
          matmul_stride(plan.b.column),
          matmul_stride(plan.out.row),
          matmul_stride(plan.out.column),
          word(plan.batch[1]),
          matmul_stride(plan.a_step[0]),
          matmul_stride(plan.a_step[1]),
          matmul_stride(plan.b_step[0]),
          matmul_stride(plan.b_step[1]),
          matmul_stride(plan.out_step[0]),
          matmul_stride(plan.out_step[1]),
          plan.bias ? matmul_stride(plan.bias->strides[0]) : 0,
          epilogue,
          0};
}

/// Adds up the parts of a product that was cut along k.
void join(Engine& engine, const MatmulCall& call, const MatmulPlan& plan, const View& sums, uint32_t type) {
  const MatmulSize size = plan.size();
  struct {
    uint64_t sums, out, bias;
    uint32_t m, n, batch, parts;
    int32_t out_row, out_column;
    uint32_t batch_inner;
    int32_t out_outer, out_inner, bias_stride;
  } push{address_of(sums),
         plan.out.address,
         address_of(plan.bias),
         word(plan.m),
         word(plan.n),
         word(size.batch),
         word(sums.shape[0]),
         matmul_stride(plan.out.row),
         matmul_stride(plan.out.column),
         word(plan.batch[1]),
         matmul_stride(plan.out_step[0]),
         matmul_stride(plan.out_step[1]),
         plan.bias ? matmul_stride(plan.bias->strides[0]) : 0};
  const int64_t elements = size.batch * plan.m * plan.n;
  engine.launch({.code = shaders::matmul_join,
                 .constants = {engine.map_threads(), type},
                 .name = "matmul",
                 .shape = call.out.shape,
                 .reads = {&sums, plan.bias},
                 .writes = {&call.out},
                 .groups = engine.groups_for(elements),
                 .work = static_cast<double>(sums.numel())},
                push);
}

struct Shader {
  const ShaderCode& code;
  Constants constants;
  int64_t tiles;
  uint32_t subgroup = 0;
};

Shader shader_of(const Engine& engine, const MatmulPlan& plan, MatmulVariant variant, DType dtype, uint32_t out_type) {
  const MatmulSize one{plan.m, plan.n, plan.k, 1};
  const auto type = static_cast<uint32_t>(dtype);
  const bool vectors = reads_vectors(engine, dtype, plan, variant.cooperative);
  if (!variant.cooperative) {
    const MatmulTile& tile = matmul_tiles()[variant.tile];
    // A software device gains nothing from a longer shader and takes long to compile it.
    const uint32_t unroll = engine.physical().is_cpu() ? 1 : tile.unroll;
    return {shaders::matmul,
            {tile.threads(), type, tile.m, tile.n, tile.k, tile.thread_m, tile.thread_n, vectors, out_type, tile.slabs,
             unroll},
            one.tiles(tile.m, tile.n)};
  }
  const CooperativeTile& tile = cooperative_tiles()[variant.tile];
  const CooperativeShape& shape = *engine.physical().cooperative.of(dtype);
  const uint32_t subgroup = engine.physical().subgroup_size;
  return {dtype == f16 ? shaders::matmul_cooperative : shaders::matmul_cooperative_bf16,
          {tile.subgroups * subgroup, type, tile.m, tile.n, tile.k, shape.m, shape.n, vectors, out_type, tile.slabs,
           shape.k, tile.subgroups},
          one.tiles(tile.m, tile.n),
          subgroup};
}

}  // namespace

MatmulDevice matmul_device(const Engine& engine) {
  const PhysicalDevice& physical = engine.physical();
  return {physical.is_cpu(), engine.busy_groups(), physical.shared_bytes, physical.workgroup_threads};
}

void cut(const Engine& engine, MatmulPlan& plan) {
  plan.chunk = part_length(plan.k, choose_splits(matmul_device(engine), plan.size()));
}

bool reads_vectors(const Engine& engine, DType dtype, const MatmulPlan& plan, bool cooperative) {
  const int64_t width = cooperative ? 8 : 4;
  const size_t element = size_of(dtype);
  return engine.vectorises() && reads_vectors(plan.a, plan.m, plan.k, plan.a_step, width, element) &&
         reads_vectors(plan.b, plan.k, plan.n, plan.b_step, width, element);
}

MatmulClass class_of(const Engine& engine, DType dtype, const MatmulPlan& plan, bool cooperative) {
  return MatmulClass::of(dtype, plan.size(), plan.a.along_columns(), plan.b.along_columns(),
                         reads_vectors(engine, dtype, plan, cooperative), cooperative);
}

void launch_matmul(Engine& engine, const MatmulCall& call, const MatmulPlan& plan, MatmulVariant variant) {
  const uint32_t type = type_constant("matmul", call.out);
  const MatmulSize size = plan.size();
  const int64_t parts = plan.chunk < plan.k ? divide_up(plan.k, plan.chunk) : 1;

  BufferRef sums_memory;
  View sums;
  MatmulPlan stored = plan;
  if (parts > 1) {
    sums = engine.scratch(sums_memory, f32, {parts, size.batch, plan.m, plan.n});
    stored.out = {address_of(sums), plan.n, 1};
    stored.out_step[0] = stored.out_step[1] = 0;
    stored.bias = nullptr;
  }
  const bool fours = stored.out.column == 1 && stored.out.row % 4 == 0 && plan.n % 4 == 0 &&
                     aligned(stored.out, stored.out_step, 4, parts > 1 ? size_of(f32) : size_of(call.out.dtype));
  const Push push = make_push(stored, (parts > 1 ? partial_sums : 0) | (fours ? writes_fours : 0));
  const uint32_t out_type = parts > 1 ? static_cast<uint32_t>(f32) : type;
  const Shader shader = shader_of(engine, plan, variant, call.a.dtype, out_type);
  engine.launch({.code = shader.code,
                 .constants = shader.constants,
                 .name = "matmul",
                 .shape = call.out.shape,
                 .reads = {&call.a, &call.b, stored.bias},
                 .writes = {parts > 1 ? &sums : &call.out},
                 .groups = static_cast<uint64_t>(shader.tiles * parts),
                 .groups_z = word(size.batch),
                 .work = size.work(),
                 .subgroup = shader.subgroup},
                push);
  if (parts > 1) join(engine, call, plan, sums, type);
}

}  // namespace fovea::vulkan
