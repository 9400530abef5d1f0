#include "fovea/autograd/reductions.h"

#include "conformance/operations.h"

namespace fovea::conformance {
namespace {

/// The axes under "dims" or "dim"; all of them where neither is there.
Axes axes_of(const Call& call) {
  const std::vector<int64_t> list = call.attributes.integers("dims", call.attributes.integers("dim"));
  return Axes(std::span<const int64_t>(list));
}

bool keepdim_of(const Call& call) { return call.attributes.flag("keepdim", false); }

int reduced_axis(const Call& call) { return static_cast<int>(call.attributes.integer("dim", -1)); }

using Reduce = Tensor (*)(const Tensor&, const Axes&, bool, Caller);

Operation over_axes(Reduce reduce) {
  return [reduce](Call& call) { return std::vector{reduce(call[0], axes_of(call), keepdim_of(call), {})}; };
}

using ArgReduce = Tensor (*)(const Tensor&, int, bool, Caller);

/// Over one axis, or over all elements as one row where none is named.
Operation arg_reduction(ArgReduce reduce) {
  return [reduce](Call& call) {
    if (call.attributes.contains("dim")) return std::vector{reduce(call[0], reduced_axis(call), keepdim_of(call), {})};
    Shape shape;
    for (int axis = 0; keepdim_of(call) && axis < call[0].rank(); ++axis) shape.push_back(1);
    return std::vector{reduce(call[0].reshape({-1}), 0, false, {}).reshape(shape)};
  };
}

}  // namespace

void add_reductions(Operations& table) {
  const std::map<std::string, Reduce> reductions{
      {"sum", sum},   {"mean", mean}, {"amax", amax}, {"amin", amin}, {"logsumexp", logsumexp},
      {"norm", norm}, {"prod", prod}, {"any", any},   {"all", all}};
  for (const auto& [name, reduce] : reductions) table[name] = over_axes(reduce);
  table["var"] = [](Call& call) {
    return std::vector{var(call[0], axes_of(call), call.attributes.number("correction", 1), keepdim_of(call))};
  };
  table["argmax"] = arg_reduction(argmax);
  table["argmin"] = arg_reduction(argmin);
  table["cumsum"] = [](Call& call) { return std::vector{cumsum(call[0], reduced_axis(call))}; };
  table["sort"] = [](Call& call) {
    const Sorted sorted = sort(call[0], reduced_axis(call), call.attributes.flag("descending", false));
    return std::vector{sorted.values, sorted.indices};
  };
  table["topk"] = [](Call& call) {
    const Sorted sorted = topk(call[0], call.attributes.integer("k", 1), reduced_axis(call));
    return std::vector{sorted.values, sorted.indices};
  };
}

}  // namespace fovea::conformance
