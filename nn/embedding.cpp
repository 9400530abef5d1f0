#include "fovea/nn/embedding.h"

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
  return embedding_bag(index, weight, offsets, options_.mode == BagMode::mean,
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
