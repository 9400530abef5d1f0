#include <algorithm>
#include <cstdlib>
#include <limits>

#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {
namespace {

uint32_t word(int64_t value) { return static_cast<uint32_t>(value); }

struct Matrix {
  uint64_t address;
  int64_t row, column;  // strides
};

// One product and how its operands step through two axes of a batch.
struct Plan {
  int64_t m, n, k;
  Matrix a, b, out;
  int64_t batch[2] = {1, 1};  // outer, inner
  int64_t a_step[2] = {0, 0}, b_step[2] = {0, 0}, out_step[2] = {0, 0};
  const View* bias;

  int64_t batch_count() const { return batch[0] * batch[1]; }
};

struct Tile {
  uint32_t m, n, k, thread_m, thread_n;
  uint32_t threads() const { return m / thread_m * (n / thread_n); }
};
constexpr Tile large{128, 128, 16, 8, 8}, medium{64, 64, 16, 8, 4}, small{32, 32, 16, 4, 4};

int64_t tiles_of(const Plan& plan, const Tile& tile) {
  return (plan.m + tile.m - 1) / tile.m * ((plan.n + tile.n - 1) / tile.n) * plan.batch_count();
}

// The largest tile of which there are enough to keep the device busy. A software device gets one shader for all.
Tile choose_tile(const Engine& engine, const Plan& plan) {
  if (const std::optional<int> wish = engine.options().matmul_tile)
    return *wish == 0 ? small : *wish == 1 ? medium : large;
  if (engine.physical().is_cpu()) return small;
  const int64_t enough = engine.busy_groups() / 8;
  if (std::min(plan.m, plan.n) > 64 && tiles_of(plan, large) >= enough) return large;
  if (std::min(plan.m, plan.n) > 32 && tiles_of(plan, medium) >= enough) return medium;
  return std::min(plan.m, plan.n) > 32 && plan.k > 512 ? medium : small;
}

// Into how many parts k is cut where there are too few tiles; decided by the shape alone.
int64_t choose_splits(const Engine& engine, const Plan& plan, const Tile& tile) {
  constexpr int64_t least_part = 256;
  const int64_t enough = engine.physical().is_cpu() ? 2 : engine.busy_groups() / 4;
  const int64_t tiles = tiles_of(plan, tile);
  if (tiles == 0 || plan.k < 2 * least_part) return 1;
  return std::clamp<int64_t>(std::min(enough / tiles, plan.k / least_part), 1, 64);
}

// Whether four neighbours can be read at once: f32, along a dense axis of a multiple of four, from multiples of 16
// bytes.
bool reads_vectors(DType dtype, const Matrix& x, int64_t rows, int64_t columns, const int64_t (&step)[2]) {
  if (dtype != f32 || x.address % 16 != 0 || step[0] % 4 != 0 || step[1] % 4 != 0) return false;
  if (x.column == 1) return x.row % 4 == 0 && columns % 4 == 0;
  return x.row == 1 && x.column % 4 == 0 && rows % 4 == 0;
}

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

int32_t stride(int64_t value) {
  if (std::abs(value) > std::numeric_limits<int32_t>::max())
    throw DeviceError("matmul: an operand spans more than 2^31 elements");
  return static_cast<int32_t>(value);
}

void run(Engine& engine, const MatmulCall& call, const Plan& plan) {
  const uint32_t type = type_constant("matmul", call.out);
  const Tile tile = choose_tile(engine, plan);
  const int64_t splits = choose_splits(engine, plan, tile);
  const int64_t chunk = ((plan.k + splits - 1) / splits + tile.k - 1) / tile.k * tile.k;
  const int64_t parts = splits == 1 ? 1 : (plan.k + chunk - 1) / chunk;
  const bool vectors = reads_vectors(call.a.dtype, plan.a, plan.m, plan.k, plan.a_step) &&
                       reads_vectors(call.b.dtype, plan.b, plan.k, plan.n, plan.b_step) && engine.vectorises();
  const uint32_t epilogue = static_cast<uint32_t>(call.activation) | (call.accumulate ? 256u : 0u);
  const int64_t batch = plan.batch_count();

  BufferRef sums_memory;
  View sums;
  if (parts > 1) sums = engine.scratch(sums_memory, f32, {parts, batch, plan.m, plan.n});
  const View& target = parts > 1 ? sums : call.out;
  const uint64_t bias = address_of(plan.bias);
  const int32_t bias_stride = plan.bias ? stride(plan.bias->strides[0]) : 0;
  const Push push{plan.a.address,
                  plan.b.address,
                  parts > 1 ? address_of(sums) : plan.out.address,
                  parts > 1 ? 0 : bias,
                  word(plan.m),
                  word(plan.n),
                  word(plan.k),
                  word(chunk),
                  stride(plan.a.row),
                  stride(plan.a.column),
                  stride(plan.b.row),
                  stride(plan.b.column),
                  parts > 1 ? stride(plan.n) : stride(plan.out.row),
                  parts > 1 ? 1 : stride(plan.out.column),
                  word(plan.batch[1]),
                  stride(plan.a_step[0]),
                  stride(plan.a_step[1]),
                  stride(plan.b_step[0]),
                  stride(plan.b_step[1]),
                  stride(plan.out_step[0]),
                  stride(plan.out_step[1]),
                  bias_stride,
                  parts > 1 ? 512u : epilogue,
                  0};
  const int64_t tiles = (plan.m + tile.m - 1) / tile.m * ((plan.n + tile.n - 1) / tile.n);
  const double work = 2.0 * static_cast<double>(plan.m * plan.n) * static_cast<double>(plan.k * batch);
  engine.launch({.code = shaders::matmul,
                 .constants = {tile.threads(), type, tile.m, tile.n, tile.k, tile.thread_m, tile.thread_n, vectors,
                               parts > 1 ? 0 : type},
                 .name = "matmul",
                 .shape = call.out.shape,
                 .reads = {&call.a, &call.b, parts > 1 ? nullptr : plan.bias,
                           call.accumulate && parts == 1 ? &call.out : nullptr},
                 .writes = {&target},
                 .groups = static_cast<uint64_t>(tiles * parts),
                 .groups_z = word(batch),
                 .work = work},
                push);
  if (parts == 1) return;
  struct {
    uint64_t sums, out, bias;
    uint32_t m, n, batch, parts;
    int32_t out_row, out_column;
    uint32_t batch_inner;
    int32_t out_outer, out_inner, bias_stride;
    uint32_t epilogue, unused;
  } join{address_of(sums),
         plan.out.address,
         bias,
         push.m,
         push.n,
         word(batch),
         word(parts),
         stride(plan.out.row),
         stride(plan.out.column),
         push.batch_inner,
         push.out_outer,
         push.out_inner,
         bias_stride,
         epilogue,
         0};
  engine.launch(
      {.code = shaders::matmul_join,
       .constants = {engine.map_threads(), type},
       .name = "matmul",
       .shape = call.out.shape,
       .reads = {&sums, plan.bias, call.accumulate ? &call.out : nullptr},
       .writes = {&call.out},
       .groups = static_cast<uint64_t>((batch * plan.m * plan.n + engine.map_threads() - 1) / engine.map_threads()),
       .work = static_cast<double>(parts * batch * plan.m * plan.n)},
      join);
}

// In pieces that a grid can hold and a watchdog tolerates.
void run_bounded(Engine& engine, const MatmulCall& call, const Plan& plan) {
  constexpr int64_t most_batch = 65535;
  const auto size = static_cast<int64_t>(size_of(call.out.dtype));
  const auto advance = [&](Matrix& x, int64_t elements) { x.address += static_cast<uint64_t>(elements * size); };
  const double work = 2.0 * static_cast<double>(plan.m * plan.n) * static_cast<double>(plan.k * plan.batch_count());
  const bool too_long = work > engine.recorder().work_budget();
  for (int axis : {0, 1}) {
    if (plan.batch[axis] < 2 || !(plan.batch_count() > most_batch || too_long)) continue;
    const int64_t half = plan.batch[axis] / 2;
    Plan first = plan, second = plan;
    first.batch[axis] = half;
    second.batch[axis] -= half;
    advance(second.a, half * plan.a_step[axis]);
    advance(second.b, half * plan.b_step[axis]);
    advance(second.out, half * plan.out_step[axis]);
    run_bounded(engine, call, first);
    run_bounded(engine, call, second);
    return;
  }
  if (too_long && plan.m > 2 * large.m) {
    const int64_t half = plan.m / 2 / large.m * large.m;
    Plan first = plan, second = plan;
    first.m = half;
    second.m -= half;
    advance(second.a, half * plan.a.row);
    advance(second.out, half * plan.out.row);
    run_bounded(engine, call, first);
    run_bounded(engine, call, second);
    return;
  }
  run(engine, call, plan);
}

}  // namespace

void matmul(Engine& engine, const MatmulCall& call) {
  type_constant("matmul", call.out);
  if (call.out.numel() == 0) return;
  const View &a = call.a, &b = call.b, &out = call.out;
  const int last = out.rank() - 1;
  Plan plan{out.shape[last - 1],
            out.shape[last],
            a.shape[last],
            {address_of(a), a.strides[last - 1], a.strides[last]},
            {address_of(b), b.strides[last - 1], b.strides[last]},
            {address_of(out), out.strides[last - 1], out.strides[last]},
            {1, 1},
            {0, 0},
            {0, 0},
            {0, 0},
            call.bias};

  // The batch, from the last axis outwards: into the rows where b repeats and a and out go on evenly, else into two
  // axes, neighbours joined; what remains is run one by one.
  Shape sizes;
  Strides a_steps, b_steps, out_steps;
  for (int axis = last - 2; axis >= 0; --axis) {
    const int64_t size = out.shape[axis];
    if (size == 1) continue;
    const int64_t as = a.strides[axis], bs = b.strides[axis], os = out.strides[axis];
    const int at = sizes.rank() - 1;
    if (at < 0 && bs == 0 && plan.m == 1) {
      plan.m = size;
      plan.a.row = as;
      plan.out.row = os;
    } else if (at < 0 && bs == 0 && as == plan.m * plan.a.row && os == plan.m * plan.out.row) {
      plan.m *= size;
    } else if (at >= 0 && as == a_steps[at] * sizes[at] && bs == b_steps[at] * sizes[at] &&
               os == out_steps[at] * sizes[at]) {
      sizes[at] *= size;
    } else {
      sizes.push_back(size);
      a_steps.push_back(as);
      b_steps.push_back(bs);
      out_steps.push_back(os);
    }
  }
  for (int axis = 0; axis < std::min(sizes.rank(), 2); ++axis) {
    const int place = 1 - axis;
    plan.batch[place] = sizes[axis];
    plan.a_step[place] = a_steps[axis];
    plan.b_step[place] = b_steps[axis];
    plan.out_step[place] = out_steps[axis];
  }
  int64_t rest = 1;
  for (int axis = 2; axis < sizes.rank(); ++axis) rest *= sizes[axis];
  const auto bytes = static_cast<int64_t>(size_of(out.dtype));
  for (int64_t i = 0; i < rest; ++i) {
    Plan one = plan;
    int64_t place = i;
    for (int axis = 2; axis < sizes.rank(); ++axis) {
      const int64_t index = place % sizes[axis];
      place /= sizes[axis];
      one.a.address += static_cast<uint64_t>(index * a_steps[axis] * bytes);
      one.b.address += static_cast<uint64_t>(index * b_steps[axis] * bytes);
      one.out.address += static_cast<uint64_t>(index * out_steps[axis] * bytes);
    }
    run_bounded(engine, call, one);
  }
}

}  // namespace fovea::vulkan
