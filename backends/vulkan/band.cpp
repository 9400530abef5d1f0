#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {

void band(Engine& engine, const BandCall& call) {
  const int64_t count = call.out.numel();
  check_count("band", count);
  struct {
    uint64_t x, places, weights, out;
    uint32_t count, n, m, inner;
  } push{address_of(call.x), address_of(call.places), address_of(call.weights), address_of(call.out),
         word(count),        word(call.x.shape[1]),   word(call.out.shape[1]),  word(call.out.shape[2])};
  engine.launch({.code = shaders::band,
                 .constants = {engine.map_threads(), type_constant("band", call.x)},
                 .name = "band",
                 .shape = call.out.shape,
                 .reads = {&call.x, &call.places, &call.weights},
                 .writes = {&call.out},
                 .groups = engine.groups_for(count),
                 .work = 8.0 * static_cast<double>(count)},
                push);
}

}  // namespace fovea::vulkan
