#pragma once

#include "fovea/nn/module.h"

namespace fovea::nn {

struct NumberEmbeddingOptions {
  int64_t knots = 8;   // where a column's line may bend; 0: a straight line (Gorishniy et al. 2021)
  double range = 2.5;  // knots lie evenly between -range and range
};

/// The numbers of a table's columns as vectors: a piecewise linear function of the number for each column (Gorishniy et
/// al. 2022), and a learned vector where it is missing.
///   x        [batch, columns], of about unit variance
///   missing  bool [batch, columns], or undefined: none is; what x holds there is not read
///   weight   [columns, 1 + segments, dim], uniform in +-1/sqrt(dim): of x itself and of its part within each segment
///            between neighbouring knots, from 0 to 1
///   bias     [columns, dim], the same
///   absent   [columns, dim], the same: the vectors of missing numbers
///   y        [batch, columns, dim]
class NumberEmbedding : public Module {
 public:
  NumberEmbedding(int64_t columns, int64_t dim, NumberEmbeddingOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, const Tensor& missing = {}, Caller caller = {}) const;
  std::string description() const override;
  const NumberEmbeddingOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;
  Tensor absent;

 private:
  int64_t columns_, dim_;
  NumberEmbeddingOptions options_;
};

}  // namespace fovea::nn
