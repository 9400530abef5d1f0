#include "support/layouts.h"

#include "fovea/autograd/graph.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"

namespace fovea::test {

const std::vector<Shape>& odd_shapes() {
  static const std::vector<Shape> shapes{{},     {0},       {1},         {7},          {1, 1},          {3, 0},
                                         {5, 3}, {2, 1, 9}, {3, 257, 2}, {2, 3, 1, 5}, {1, 2, 1, 3, 2}, {4097}};
  return shapes;
}

std::vector<LaidOut> layouts_of(const Tensor& x) {
  const NoGrad off;
  const Tensor dense = x.detach().clone();
  std::vector<LaidOut> layouts{{"dense", dense}};
  const int rank = dense.rank();
  Shape wide = dense.shape();
  wide.insert(0, 3);
  layouts.push_back({"behind an offset", empty(wide, x.options()).select(0, 2).copy_(dense)});
  if (rank == 0) return layouts;
  if (rank > 1) layouts.push_back({"transposed", dense.transpose(0, -1).clone().transpose(0, -1)});
  Shape gaps = dense.shape();
  gaps[rank - 1] = 2 * gaps[rank - 1] + 1;
  layouts.push_back({"with gaps", empty(gaps, x.options()).slice(-1, 1, INT64_MAX, 2).copy_(dense)});
  Axes all;
  for (int axis = 0; axis < rank; ++axis) all.list.push_back(axis);
  layouts.push_back({"backwards", dense.flip(all).clone().flip(all)});
  return layouts;
}

Tensor random(const Shape& shape, TensorOptions options, uint64_t seed) {
  Generator generator{.seed = seed};
  return randn(shape, options, generator);
}

Tensor random_between(double low, double high, const Shape& shape, TensorOptions options, uint64_t seed) {
  Generator generator{.seed = seed};
  return rand(shape, options, generator) * (high - low) + low;
}

}  // namespace fovea::test
