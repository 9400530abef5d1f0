#include "conformance/operations.h"
#include "fovea/autograd/attention.h"
#include "fovea/autograd/batch_norm.h"
#include "fovea/autograd/convolution.h"
#include "fovea/autograd/pooling.h"

namespace fovea::conformance {
namespace {

/// One number for both directions, or a pair.
Extent extent(const Call& call, const std::string& name, int64_t otherwise) {
  const std::vector<int64_t> sizes = call.attributes.integers(name, {otherwise});
  return sizes.size() > 1 ? Extent(sizes[0], sizes[1]) : Extent(sizes[0]);
}

int64_t length(const Call& call, const std::string& name, int64_t otherwise) {
  return call.attributes.integers(name, {otherwise})[0];
}

double eps_of(const Call& call) { return call.attributes.number("eps", 1e-5); }

Pool1dOptions pool1d(const Call& call) {
  return {.stride = length(call, "stride", 0), .padding = length(call, "padding", 0)};
}

Pool2dOptions pool2d(const Call& call) {
  return {.stride = extent(call, "stride", 0), .padding = extent(call, "padding", 0)};
}

Tensor attention(const Call& call) {
  DotAttentionOptions options{.causal = call.attributes.flag("causal", false)};
  if (call.attributes.contains("scale")) options.scale = call.attributes.number("scale", 1);
  if (call.attributes.flag("key_padding_keep", false)) options.key_padding_keep = call[3];
  return scaled_dot_product_attention(call[0], call[1], call[2], options);
}

}  // namespace

void add_convolutions(Operations& table) {
  table["conv1d"] = [](Call& call) {
    return std::vector{conv1d(call[0], call[1], call.optional(2),
                              {.stride = length(call, "stride", 1),
                               .padding = length(call, "padding", 0),
                               .dilation = length(call, "dilation", 1),
                               .groups = call.attributes.integer("groups", 1)})};
  };
  table["conv2d"] = [](Call& call) {
    return std::vector{conv2d(call[0], call[1], call.optional(2),
                              {.stride = extent(call, "stride", 1),
                               .padding = extent(call, "padding", 0),
                               .dilation = extent(call, "dilation", 1),
                               .groups = call.attributes.integer("groups", 1)})};
  };
  table["max_pool1d"] = [](Call& call) {
    return std::vector{max_pool1d(call[0], length(call, "kernel", 1), pool1d(call))};
  };
  table["avg_pool1d"] = [](Call& call) {
    return std::vector{avg_pool1d(call[0], length(call, "kernel", 1), pool1d(call))};
  };
  table["max_pool2d"] = [](Call& call) {
    return std::vector{max_pool2d(call[0], extent(call, "kernel", 1), pool2d(call))};
  };
  table["avg_pool2d"] = [](Call& call) {
    return std::vector{avg_pool2d(call[0], extent(call, "kernel", 1), pool2d(call))};
  };
  table["adaptive_avg_pool2d"] = [](Call& call) {
    return std::vector{adaptive_avg_pool2d(call[0], extent(call, "output", 1))};
  };
  table["batch_norm_train"] = [](Call& call) {
    return std::vector{batch_norm(call[0], call.optional(1), call.optional(2), eps_of(call)).y};
  };
  table["batch_norm_eval"] = [](Call& call) {
    return std::vector{batch_norm_eval(call[0], call[1], call[2], call.optional(3), call.optional(4), eps_of(call))};
  };
  table["group_norm"] = [](Call& call) {
    return std::vector{
        group_norm(call[0], call.attributes.integer("groups", 1), call.optional(1), call.optional(2), eps_of(call))};
  };
  table["scaled_dot_product_attention"] = [](Call& call) { return std::vector{attention(call)}; };
}

}  // namespace fovea::conformance
