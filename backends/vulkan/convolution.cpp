#include <algorithm>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/tiles.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Convolution as products of matrices that are never made, or directly where its groups are small; see
// shaders/convolution.comp.
namespace fovea::vulkan {
namespace {

using Product = ConvolutionCall::Product;

struct Pair {
  uint32_t height, width;
};
// convolution.glsl's parameters.
struct Push {
  uint64_t x, weight, y, bias;
  Pair size, kernel, positions, stride, padding, dilation;
  uint32_t batch, groups, in, out, chunk, first;
};

Pair pair(const int64_t (&values)[2]) { return {static_cast<uint32_t>(values[0]), static_cast<uint32_t>(values[1])}; }
Pair plane_of(const View& view) { return {static_cast<uint32_t>(view.shape[2]), static_cast<uint32_t>(view.shape[3])}; }

struct Sizes {
  int64_t batch, groups, in, out, taps, size, positions;

  explicit Sizes(const ConvolutionCall& call)
      : batch(call.x.shape[0]),
        groups(call.groups),
        in(call.weight.shape[1]),
        out(call.weight.shape[0] / call.groups),
        taps(call.weight.shape[2] * call.weight.shape[3]),
        size(call.x.shape[2] * call.x.shape[3]),
        positions(call.y.shape[2] * call.y.shape[3]) {}

  // Of the matrices whose product is taken, one a group.
  int64_t rows(Product product) const { return product == Product::x ? in : out; }
  int64_t width(Product product) const {
    return product == Product::y ? batch * positions : product == Product::x ? batch * size : in * taps;
  }
  int64_t depth(Product product) const {
    return product == Product::y ? in * taps : product == Product::x ? out * taps : batch * positions;
  }
  double work() const {
    return 2.0 * static_cast<double>(batch * groups * in) * static_cast<double>(out * taps * positions);
  }
};

const View& written(const ConvolutionCall& call) {
  return call.product == Product::y ? call.y : call.product == Product::x ? call.x : call.weight;
}

Push describe(const ConvolutionCall& call, const Sizes& sizes) {
  for (const View* view : {&call.x, &call.weight, &call.y}) {
    if (view->numel() >= int64_t{1} << 31)
      raise_here<DeviceError>("convolution: {} has more than 2^31 elements", view->shape);
  }
  const int64_t kernel[2] = {call.weight.shape[2], call.weight.shape[3]};
  const auto word = [](int64_t value) { return static_cast<uint32_t>(value); };
  return {address_of(call.x),
          address_of(call.weight),
          address_of(call.y),
          address_of(call.bias),
          plane_of(call.x),
          pair(kernel),
          plane_of(call.y),
          pair(call.steps.stride),
          pair(call.steps.padding),
          pair(call.steps.dilation),
          word(sizes.batch),
          word(sizes.groups),
          word(sizes.in),
          word(sizes.out),
          word(sizes.depth(call.product)),
          0};
}

// Launches a kernel over `groups` workgroups, in parts; writes `out`.
void run(Engine& engine, const ConvolutionCall& call, const ShaderCode& code, Constants constants, Push push,
         int64_t groups, double work, const View& out) {
  constants[5] = static_cast<uint32_t>(call.product);
  const auto read = [&](const View& view, Product product) { return product == call.product ? nullptr : &view; };
  launch_in_parts(engine, groups, work, [&](int64_t first, int64_t count, double part) {
    push.first = static_cast<uint32_t>(first);
    engine.launch(
        {.code = code,
         .constants = constants,
         .name = "convolution",
         .shape = written(call).shape,
         .reads = {read(call.x, Product::x), read(call.weight, Product::weight), read(call.y, Product::y), call.bias},
         .writes = {&out},
         .groups = static_cast<uint64_t>(count),
         .work = part},
        push);
  });
}

void run_direct(Engine& engine, const ConvolutionCall& call, const Sizes& sizes, const Push& push, uint32_t type) {
  const View& out = written(call);
  if (call.product == Product::weight) {
    const Rows rows(engine, call.y);
    const int64_t per_group = rows.threads / rows.lanes, groups = divide_up(out.numel(), per_group);
    run(engine, call, shaders::convolution_filter, {rows.threads, type, rows.lanes}, push, groups, sizes.work(), out);
  } else {
    const int64_t threads = engine.map_threads(), groups = divide_up(out.numel(), threads);
    run(engine, call, shaders::convolution_direct, {engine.map_threads(), type}, push, groups, sizes.work(), out);
  }
}

void run_tiles(Engine& engine, const ConvolutionCall& call, const Sizes& sizes, Push push, uint32_t type) {
  const View& out = written(call);
  const Tiles tiles(engine);
  const Product product = call.product;
  const int64_t count = tiles.of(sizes.rows(product)) * tiles.of(sizes.width(product)) * sizes.groups;
  const int64_t depth = sizes.depth(product);
  // A weight's sum is long and its tiles are few.
  constexpr int64_t least_part = 256;
  const int64_t wanted = product == Product::weight
                             ? std::clamp<int64_t>(std::min(engine.busy_groups() / count, depth / least_part), 1, 64)
                             : 1;
  const int64_t chunk = round_up(divide_up(depth, wanted), tiles.slab);
  const int64_t parts = divide_up(depth, chunk);
  push.chunk = static_cast<uint32_t>(chunk);
  BufferRef memory;
  View sums;
  if (parts > 1) {
    sums = engine.scratch(memory, f32, {parts, out.numel()});
    push.weight = address_of(sums);
  }
  run(engine, call, shaders::convolution,
      {tiles.threads(), type, tiles.side, tiles.slab, 1, 0, parts > 1 ? uint32_t{0} : type}, push, count * parts,
      sizes.work(), parts > 1 ? sums : out);
  if (parts > 1) sum_rows(engine, sums, out);
}

}  // namespace

void convolution(Engine& engine, const ConvolutionCall& call) {
  const uint32_t type = type_constant("convolution", call.x);
  const Sizes sizes(call);
  const View& out = written(call);
  if (out.numel() == 0) return;
  if (sizes.depth(call.product) == 0) {
    if (call.product == Product::y && call.bias) {
      View bias = *call.bias;
      bias.shape = out.shape;
      bias.strides = {0, call.bias->strides[0], 0, 0};
      copy(engine, bias, out);
    } else {
      fill(engine, out, 0);
    }
    return;
  }
  const Push push = describe(call, sizes);
  // Fewer channels than that would leave most of a tile empty.
  constexpr int64_t least = 8;
  if (sizes.rows(call.product) < least && (sizes.groups > 1 || call.product != Product::weight)) {
    run_direct(engine, call, sizes, push, type);
  } else {
    run_tiles(engine, call, sizes, push, type);
  }
}

}  // namespace fovea::vulkan
