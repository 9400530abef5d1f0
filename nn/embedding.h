#pragma once

#include "fovea/autograd/indexing.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

using fovea::EmbeddingOptions;

/// Rows of a table by index.
///   index  i32, any shape I
///   weight [count, dim], standard normal; the row padding_index is 0, and stays so
///   y      [I..., dim]
class Embedding : public Module {
 public:
  Embedding(int64_t count, int64_t dim, EmbeddingOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& index, Caller caller = {}) const;
  std::string description() const override;

  Tensor weight;

 private:
  EmbeddingOptions options_;
};

enum class BagMode : uint8_t { mean, sum };

struct EmbeddingBagOptions {
  BagMode mode = BagMode::mean;
  int64_t padding_index = -1;  // entries of this index belong to no bag; -1: none
  bool sparse = false;         // see EmbeddingOptions
};

/// The mean or sum of the rows of each bag of indices; of an empty bag: 0.
///   index   i32 [m] with offsets i32 [bags]: bag b holds index[offsets[b]] up to before index[offsets[b + 1]];
///           or [bags, n] without offsets
///   weight  [count, dim], standard normal
///   y       [bags, dim]
class EmbeddingBag : public Module {
 public:
  EmbeddingBag(int64_t count, int64_t dim, EmbeddingBagOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& index, const Tensor& offsets, Caller caller = {}) const;
  Tensor forward(const Tensor& index, Caller caller = {}) const;
  std::string description() const override;
  const EmbeddingBagOptions& options() const { return options_; }

  Tensor weight;

 private:
  EmbeddingBagOptions options_;
};

}  // namespace fovea::nn
