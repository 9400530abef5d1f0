#include <algorithm>

#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/matmul_tuner.h"
#include "fovea/backends/vulkan/views.h"

namespace fovea::vulkan {
namespace {

// In pieces that a grid can hold and a watchdog tolerates.
void run_bounded(Engine& engine, const MatmulCall& call, const MatmulPlan& plan) {
  constexpr int64_t most_batch = 65535;
  const auto size = static_cast<int64_t>(size_of(call.out.dtype));
  const auto advance = [&](Matrix& x, int64_t elements) { x.address += static_cast<uint64_t>(elements * size); };
  const bool too_long = plan.size().work() > engine.recorder().work_budget();
  for (int axis : {0, 1}) {
    if (plan.batch[axis] < 2 || !(plan.size().batch > most_batch || too_long)) continue;
    const int64_t half = plan.batch[axis] / 2;
    MatmulPlan first = plan, second = plan;
    first.batch[axis] = half;
    second.batch[axis] -= half;
    advance(second.a, half * plan.a_step[axis]);
    advance(second.b, half * plan.b_step[axis]);
    advance(second.out, half * plan.out_step[axis]);
    run_bounded(engine, call, first);
    run_bounded(engine, call, second);
    return;
  }
  constexpr int64_t largest_tile = 256;
  if (too_long && plan.m > 2 * largest_tile) {
    const int64_t half = plan.m / 2 / largest_tile * largest_tile;
    MatmulPlan first = plan, second = plan;
    first.m = half;
    second.m -= half;
    advance(second.a, half * plan.a.row);
    advance(second.out, half * plan.out.row);
    run_bounded(engine, call, first);
    run_bounded(engine, call, second);
    return;
  }
  launch_matmul(engine, call, plan, engine.matmul_tuner().choose(call, plan));
}

}  // namespace

void matmul(Engine& engine, const MatmulCall& call) {
  type_constant("matmul", call.out);
  if (call.out.numel() == 0) return;
  const View &a = call.a, &b = call.b, &out = call.out;
  const int last = out.rank() - 1;
  MatmulPlan plan{out.shape[last - 1],
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
  cut(engine, plan);
  int64_t rest = 1;
  for (int axis = 2; axis < sizes.rank(); ++axis) rest *= sizes[axis];
  const auto bytes = static_cast<int64_t>(size_of(out.dtype));
  for (int64_t i = 0; i < rest; ++i) {
    MatmulPlan one = plan;
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
