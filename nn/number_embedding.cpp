#include "fovea/nn/number_embedding.h"

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

NumberEmbedding::NumberEmbedding(int64_t columns, int64_t dim, NumberEmbeddingOptions options, Caller caller)
    : columns_(columns), dim_(dim), options_(options) {
  if (columns < 1 || dim < 1 || options.knots < 0 || options.knots == 1 || !(options.range > 0)) {
    raise<ValueError>(caller, "NumberEmbedding: {} columns of {} numbers, {} knots within {}", columns, dim,
                      options.knots, options.range);
  }
  const int64_t segments = std::max<int64_t>(options.knots - 1, 0);
  weight = init::by_fan({columns, 1 + segments, dim}, dim, caller);
  bias = init::by_fan({columns, dim}, dim, caller);
  absent = init::by_fan({columns, dim}, dim, caller);
  add("weight", weight);
  add("bias", bias);
  add("absent", absent);
}

Tensor NumberEmbedding::forward(const Tensor& x, const Tensor& missing, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() != 2 || x.shape()[1] != columns_) {
    raise<ShapeError>(caller, "NumberEmbedding: input {} is not [batch, {}]", x.shape(), columns_);
  }
  if (missing.defined() && missing.shape() != x.shape()) {
    raise<ShapeError>(caller, "NumberEmbedding: missing {} for an input of {}", missing.shape(), x.shape());
  }
  // Whatever stands in the place of a missing number, NaN too, must not reach the weights' gradient.
  const Tensor known = missing.defined() ? masked_fill(x, missing, 0) : x;
  Tensor features = known.unsqueeze(-1);
  if (options_.knots > 1) {
    const int64_t segments = options_.knots - 1;
    const double width = 2 * options_.range / static_cast<double>(segments);
    const Tensor begins = arange(0, segments, 1, {.dtype = x.dtype(), .device = x.device()}) * width - options_.range;
    features = concat({features, clamp((features - begins) / width, 0, 1)}, -1);
  }
  // Column by column: [columns, batch, features] x [columns, features, dim].
  Tensor y = matmul(features.transpose(0, 1), weight, caller).transpose(0, 1) + bias;
  if (missing.defined()) y = where(missing.unsqueeze(-1), absent, y);
  return y;
}

std::string NumberEmbedding::description() const {
  return fmt::format("{}, {}, knots={}", columns_, dim_, options_.knots);
}

}  // namespace fovea::nn
