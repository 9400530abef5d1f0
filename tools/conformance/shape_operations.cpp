#include "conformance/operations.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/shape_ops.h"

namespace fovea::conformance {
namespace {

Shape shape_of(const Call& call, const std::string& name) { return Shape(call.attributes.integers(name)); }

int axis_of(const Call& call, const std::string& name, int64_t otherwise) {
  return static_cast<int>(call.attributes.integer(name, otherwise));
}

/// The axes of permute, negative ones counted from the end.
Shape order_of(const Call& call) {
  Shape order = shape_of(call, "dims");
  for (int i = 0; i < order.rank(); ++i) order[i] += order[i] < 0 ? order.rank() : 0;
  return order;
}

std::vector<Tensor> squeezed(Call& call) {
  if (!call.attributes.contains("dim")) return {call[0].squeeze()};
  return {call[0].squeeze(axis_of(call, "dim", 0))};
}

std::vector<Tensor> flipped(Call& call) {
  const std::vector<int64_t> axes = call.attributes.integers("dims");
  return {call[0].flip(Axes(std::span<const int64_t>(axes)))};
}

std::vector<Tensor> embedded(Call& call) {
  int64_t padding = call.attributes.integer("padding_idx", INT64_MIN);
  if (padding == INT64_MIN) return {embedding(call[0], call[1])};
  if (padding < 0) padding += call[1].size(0);
  return {embedding(call[0], call[1], {.padding_index = padding})};
}

std::vector<Tensor> bagged(Call& call) {
  const std::string mode = call.attributes.text("mode", "mean");
  if (mode != "mean" && mode != "sum") throw Unsupported("embedding_bag with mode " + mode);
  int64_t padding = call.attributes.integer("padding_idx", INT64_MIN);
  if (padding == INT64_MIN) return {embedding_bag(call[0], call[2], call[1], mode == "mean")};
  if (padding < 0) padding += call[2].size(0);
  return {embedding_bag(call[0], call[2], call[1], mode == "mean", {.padding_index = padding})};
}

}  // namespace

void add_shape_operations(Operations& table) {
  table["reshape"] = [](Call& call) { return std::vector{call[0].reshape(shape_of(call, "shape"))}; };
  table["view"] = [](Call& call) { return std::vector{call[0].view(shape_of(call, "shape"))}; };
  table["permute"] = [](Call& call) { return std::vector{call[0].permute(order_of(call))}; };
  table["permute_reshape"] = [](Call& call) {
    return std::vector{call[0].permute(order_of(call)).reshape(shape_of(call, "shape"))};
  };
  table["transpose"] = [](Call& call) {
    return std::vector{call[0].transpose(axis_of(call, "dim0", 0), axis_of(call, "dim1", 1))};
  };
  table["unsqueeze"] = [](Call& call) { return std::vector{call[0].unsqueeze(axis_of(call, "dim", 0))}; };
  table["squeeze"] = squeezed;
  table["flatten"] = [](Call& call) {
    return std::vector{call[0].flatten(axis_of(call, "start_dim", 0), axis_of(call, "end_dim", -1))};
  };
  table["expand"] = [](Call& call) { return std::vector{call[0].expand(shape_of(call, "shape"))}; };
  table["slice"] = [](Call& call) {
    return std::vector{call[0].slice(axis_of(call, "dim", 0), call.attributes.integer("start", 0),
                                     call.attributes.integer("end", INT64_MAX), call.attributes.integer("step", 1))};
  };
  table["select"] = [](Call& call) {
    return std::vector{call[0].select(axis_of(call, "dim", 0), call.attributes.integer("index", 0))};
  };
  table["split"] = [](Call& call) {
    return call[0].split(call.attributes.integer("size", 1), axis_of(call, "dim", 0));
  };
  table["concat"] = [](Call& call) { return std::vector{concat(call.inputs, axis_of(call, "dim", 0))}; };
  table["stack"] = [](Call& call) { return std::vector{stack(call.inputs, axis_of(call, "dim", 0))}; };
  table["flip"] = flipped;
  table["repeat"] = [](Call& call) { return std::vector{repeat(call[0], shape_of(call, "repeats"))}; };
  table["pad"] = [](Call& call) {
    return std::vector{pad(call[0], call.attributes.integers("pad"), call.attributes.number("value", 0))};
  };
  table["tril"] = [](Call& call) { return std::vector{tril(call[0], call.attributes.integer("diagonal", 0))}; };
  table["triu"] = [](Call& call) { return std::vector{triu(call[0], call.attributes.integer("diagonal", 0))}; };
  table["index_select"] = [](Call& call) {
    return std::vector{index_select(call[0], axis_of(call, "dim", 0), call[1])};
  };
  table["gather"] = [](Call& call) { return std::vector{gather(call[0], axis_of(call, "dim", 0), call[1])}; };
  table["scatter_add"] = [](Call& call) {
    return std::vector{scatter_add(call[0], axis_of(call, "dim", 0), call[1], call[2])};
  };
  table["embedding"] = embedded;
  table["embedding_bag"] = bagged;
}

}  // namespace fovea::conformance
