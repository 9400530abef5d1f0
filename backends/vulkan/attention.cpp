#include <algorithm>
#include <cstdlib>
#include <limits>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/tiles.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Attention in tiles of scores, forward and backward; see shaders/attention.glsl.
namespace fovea::vulkan {
namespace {

int32_t attention_stride(int64_t value) { return stride("attention", value); }

struct Steps {
  int32_t batch = 0, head = 0, row = 0;
};
Steps steps_of(const View& view) {
  return {attention_stride(view.strides[0]), attention_stride(view.strides[1]), attention_stride(view.strides[2])};
}

// attention.glsl's Call.
struct Call {
  uint64_t q, k, v, out, lse, bias, keep;
  uint64_t dout, delta, dq, dk, dv, dbias;
  Steps q_steps, k_steps, v_steps, out_steps, dout_steps, dq_steps, dk_steps, dv_steps;
  int32_t bias_steps[4];
  uint32_t dbias_shape[4];
  uint32_t batch, heads, key_heads, queries, keys, width, value_width;
  int32_t offset, window;
  uint32_t causal;
  float scale, dropout;
  uint32_t seed_low, seed_high, counter_low, counter_high;
  uint32_t groups;
  uint32_t unused;
};
static_assert(sizeof(Call) % 8 == 0);

// Blocks of tiles side by side that a workgroup computes of a result: few values, for each makes a shader.
int64_t blocks_for(const Tiles& tiles, int64_t width) { return width <= tiles.side ? 1 : 2; }

Call describe(const AttentionCall& call) {
  constexpr int64_t far = int64_t{1} << 30;
  const Shape &q = call.q.shape, &k = call.k.shape;
  if (call.offset > far || call.offset < -far || q[2] > far || k[2] > far)
    raise_here<DeviceError>("attention: positions beyond 2^30: {} queries from {} on, {} keys", q[2], call.offset,
                            k[2]);
  Call result{};
  result.q = address_of(call.q);
  result.k = address_of(call.k);
  result.v = address_of(call.v);
  result.out = address_of(call.out);
  result.lse = address_of(call.lse);
  result.bias = address_of(call.bias);
  result.keep = address_of(call.keep);
  result.q_steps = steps_of(call.q);
  result.k_steps = steps_of(call.k);
  result.v_steps = steps_of(call.v);
  result.out_steps = steps_of(call.out);
  for (int axis = 0; call.bias && axis < 4; ++axis)
    result.bias_steps[axis] = attention_stride(call.bias->strides[axis]);
  result.batch = word(q[0]);
  result.heads = word(q[1]);
  result.key_heads = word(k[1]);
  result.queries = word(q[2]);
  result.keys = word(k[2]);
  result.width = word(q[3]);
  result.value_width = word(call.v.shape[3]);
  result.offset = static_cast<int32_t>(call.offset);
  // No wider than any distance, so that the shaders' sums of positions and windows are numbers.
  const int64_t all = std::min<int64_t>(std::abs(call.offset) + q[2] + k[2], std::numeric_limits<int32_t>::max());
  result.window = static_cast<int32_t>(std::min(call.window, all));
  result.causal = call.causal;
  result.scale = static_cast<float>(call.scale);
  result.dropout = static_cast<float>(call.dropout);
  result.seed_low = static_cast<uint32_t>(call.seed);
  result.seed_high = static_cast<uint32_t>(call.seed >> 32);
  result.counter_low = static_cast<uint32_t>(call.counter);
  result.counter_high = static_cast<uint32_t>(call.counter >> 32);
  return result;
}

struct Kernel {
  const ShaderCode& code;
  const char* name;
  int64_t blocks;
  int64_t groups;
  double work;
};

void run(Engine& engine, const Kernel& kernel, const View& view, const Tiles& tiles, Call call,
         std::initializer_list<const View*> reads, std::initializer_list<const View*> writes) {
  call.groups = word(kernel.groups);
  launch_in_parts(engine, kernel.groups, kernel.work, [&](int64_t first, int64_t groups, double work) {
    struct {
      uint64_t call;
      uint32_t first, unused;
    } push{engine.upload_parameters(std::as_bytes(std::span(&call, 1))), word(first), 0};
    engine.launch(
        {.code = kernel.code,
         .constants = {tiles.threads(), type_constant(kernel.name, view), tiles.side, tiles.slab, word(kernel.blocks)},
         .name = kernel.name,
         .shape = view.shape,
         .reads = reads,
         .writes = writes,
         .groups = static_cast<uint64_t>(groups),
         .work = work},
        push);
  });
}

int64_t chunks_of(const Tiles& tiles, int64_t width) {
  const int64_t columns = blocks_for(tiles, width) * tiles.side;
  return std::max<int64_t>(divide_up(width, columns), 1);
}

// Floating-point operations of `products` products of the scores' size with a width of the mean of d and dv.
double work_of(const AttentionCall& call, double products) {
  const Shape& q = call.q.shape;
  return products * static_cast<double>(q[0] * q[1] * q[2]) * static_cast<double>(call.k.shape[2]) *
         static_cast<double>(q[3] + call.v.shape[3]);
}

const Program& product_program() {
  static const Program program = program_of("attention_backward", Op::mul);
  return program;
}

}  // namespace

void attention(Engine& engine, const AttentionCall& call) {
  const Tiles tiles(engine);
  const Shape& q = call.q.shape;
  const int64_t width = call.v.shape[3], chunks = chunks_of(tiles, width);
  run(engine,
      {shaders::attention, "attention", blocks_for(tiles, width), q[0] * q[1] * tiles.of(q[2]) * chunks,
       work_of(call, 2.0 * static_cast<double>(chunks))},
      call.q, tiles, describe(call), {&call.q, &call.k, &call.v, call.bias, call.keep}, {&call.out, &call.lse});
}

void attention_backward(Engine& engine, const AttentionBackwardCall& call) {
  const AttentionCall& forward = call.forward;
  const Tiles tiles(engine);
  const Shape &q = forward.q.shape, &k = forward.k.shape;
  const int64_t values = forward.v.shape[3];
  BufferRef delta_memory;
  const View delta = engine.scratch(delta_memory, f32, {q[0], q[1], q[2], 1});
  const View *in[] = {&call.dout, &forward.out}, *out = &delta;
  if (call.dout.numel() > 0) {
    map(engine, {product_program(), f32, call.dout.shape, in, {&out, 1}, {}});
  } else {
    fill(engine, delta, 0);
  }

  Call description = describe(forward);
  description.dout = address_of(call.dout);
  description.delta = address_of(delta);
  description.dq = address_of(call.dq);
  description.dk = address_of(call.dk);
  description.dv = address_of(call.dv);
  description.dbias = address_of(call.dbias);
  description.dout_steps = steps_of(call.dout);
  description.dq_steps = steps_of(call.dq);
  description.dk_steps = steps_of(call.dk);
  description.dv_steps = steps_of(call.dv);
  const std::initializer_list<const View*> reads{&forward.q,   &forward.k,   &forward.v, forward.bias,
                                                 forward.keep, &forward.lse, &call.dout, &delta};
  const int64_t query_chunks = chunks_of(tiles, q[3]);
  run(engine,
      {shaders::attention_queries, "attention_backward", blocks_for(tiles, q[3]),
       q[0] * q[1] * tiles.of(q[2]) * query_chunks, work_of(forward, 3.0 * static_cast<double>(query_chunks))},
      forward.q, tiles, description, reads, {&call.dq});
  const int64_t widest = std::max(q[3], values), key_chunks = chunks_of(tiles, widest);
  run(engine,
      {shaders::attention_keys, "attention_backward", blocks_for(tiles, widest),
       k[0] * k[1] * tiles.of(k[2]) * key_chunks, work_of(forward, 4.0 * static_cast<double>(key_chunks))},
      forward.k, tiles, description, reads, {&call.dk, &call.dv});
  if (!call.dbias || call.dbias->numel() == 0) return;
  const Shape& bias = call.dbias->shape;
  for (int axis = 0; axis < 4; ++axis) description.dbias_shape[axis] = word(bias[axis]);
  run(engine,
      {shaders::attention_bias, "attention_backward", 1,
       bias[0] * bias[1] * (bias[2] > 1 ? tiles.of(q[2]) : 1) * (bias[3] > 1 ? tiles.of(k[2]) : 1),
       work_of(forward, 2.0)},
      *call.dbias, tiles, description, reads, {call.dbias});
}

}  // namespace fovea::vulkan
