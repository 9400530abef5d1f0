#include "fovea/nn/embedding.h"

#include "fovea/autograd/graph.h"
#include "fovea/nn/init.h"

namespace fovea::nn {
namespace {

Tensor new_table(const char* name, int64_t count, int64_t dim, int64_t padding_index, Caller caller) {
  if (count < 0 || dim < 0) raise<ValueError>(caller, "{}: sizes {} and {} must not be negative", name, count, dim);
  if (padding_index < -1 || padding_index >= count) {
    raise<ValueError>(caller, "{}: padding index {} is not among {} rows", name, padding_index, count);
  }
  Tensor table = empty({count, dim}, {}, caller);
  init::normal_(table);
  if (padding_index >= 0) table.select(0, padding_index).zero_();
  return table;
}

struct Bags {
  Tensor index;
  Tensor offsets;
};

/// The bags without the entries of one index.
Bags without(const Tensor& index, const Tensor& offsets, int64_t padding_index, Caller caller) {
  const auto is_list = [](const Tensor& x) { return x.rank() == 1 && x.dtype() == i32; };
  if (!is_list(index) || !is_list(offsets)) return {index, offsets};  // embedding_bag refuses them
  const std::vector<int32_t> starts = offsets.to_vector<int32_t>(caller);
  for (size_t b = 0; b < starts.size(); ++b) {
    const int32_t least = b == 0 ? 0 : starts[b - 1];
    if (starts[b] >= least && starts[b] <= index.numel()) continue;
    raise<IndexError>(caller, "EmbeddingBag: offset {} at position {} is not from {} to {}", starts[b], b, least,
                      index.numel());
  }
  std::vector<int32_t> kept, kept_starts;
  size_t bag = 0;
  int32_t position = 0;
  for (int32_t i : index.to_vector<int32_t>(caller)) {
    for (; bag < starts.size() && starts[bag] <= position; ++bag) {
      kept_starts.push_back(static_cast<int32_t>(kept.size()));
    }
    if (i != padding_index) kept.push_back(i);
    ++position;
  }
  for (; bag < starts.size(); ++bag) kept_starts.push_back(static_cast<int32_t>(kept.size()));
  return {from_vector(kept, index.device()), from_vector(kept_starts, index.device())};
}

}  // namespace

Embedding::Embedding(int64_t count, int64_t dim, EmbeddingOptions options, Caller caller)
    : weight(new_table("Embedding", count, dim, options.padding_index, caller)), options_(options) {
  add("weight", weight);
}

Tensor Embedding::forward(const Tensor& index, Caller caller) const {
  const Scope scope(*this, caller);
  return embedding(index, weight, options_, caller);
}

std::string Embedding::description() const {
  return fmt::format("{}, {}{}{}", weight.shape()[0], weight.shape()[1],
                     options_.padding_index >= 0 ? fmt::format(", padding_index={}", options_.padding_index) : "",
                     options_.sparse ? ", sparse" : "");
}

EmbeddingBag::EmbeddingBag(int64_t count, int64_t dim, EmbeddingBagOptions options, Caller caller)
    : weight(new_table("EmbeddingBag", count, dim, options.padding_index, caller)), options_(options) {
  add("weight", weight);
}

Tensor EmbeddingBag::forward(const Tensor& index, const Tensor& offsets, Caller caller) const {
  const Scope scope(*this, caller);
  Bags bags{index, offsets};
  if (options_.padding_index >= 0) bags = without(index, offsets, options_.padding_index, caller);
  return embedding_bag(bags.index, bags.offsets, weight, options_.mode == BagMode::mean,
                       {options_.padding_index, options_.sparse}, caller);
}

Tensor EmbeddingBag::forward(const Tensor& index, Caller caller) const {
  const Scope scope(*this, caller);
  if (index.rank() != 2) {
    raise<ShapeError>(caller, "EmbeddingBag: index {} without offsets must have two axes", index.shape());
  }
  const int64_t bags = index.shape()[0], length = index.shape()[1];
  std::vector<int32_t> starts(static_cast<size_t>(bags));
  for (size_t b = 0; b < starts.size(); ++b) starts[b] = static_cast<int32_t>(static_cast<int64_t>(b) * length);
  return forward(index.reshape({-1}, caller), from_vector(starts, index.device()), caller);
}

std::string EmbeddingBag::description() const {
  return fmt::format("{}, {}, {}{}", weight.shape()[0], weight.shape()[1],
                     options_.mode == BagMode::mean ? "mean" : "sum", options_.sparse ? ", sparse" : "");
}

}  // namespace fovea::nn
