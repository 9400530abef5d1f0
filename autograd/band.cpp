#include "fovea/autograd/band.h"

#include "fovea/autograd/graph.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::autograd {

Band::Band(int64_t in, int64_t rows, int64_t weights, const char* name) : in_(in) {
  with_host_memory(name, [&] {
    places_.reserve(static_cast<size_t>(3 * rows));
    weights_.reserve(static_cast<size_t>(weights));
  });
}

void Band::add(int64_t first, std::initializer_list<double> weights) {
  for (const size_t number : {static_cast<size_t>(first), weights.size(), weights_.size()}) {
    places_.push_back(static_cast<int32_t>(number));
  }
  weights_.insert(weights_.end(), weights);
}

void Band::add(int64_t first, int64_t count, double weight) {
  add(first, {});
  places_[places_.size() - 2] = static_cast<int32_t>(count);
  weights_.insert(weights_.end(), static_cast<size_t>(count), weight);
}

Band Band::transposed(const char* name) const {
  Band columns(rows(), in_, static_cast<int64_t>(weights_.size()), name);
  columns.places_.resize(static_cast<size_t>(3 * in_), 0);
  columns.weights_.resize(weights_.size());
  const auto each = [&](auto use) {
    for (size_t row = 0; row < places_.size(); row += 3) {
      for (int32_t k = 0; k < places_[row + 1]; ++k) {
        use(static_cast<int32_t>(row / 3), columns.places_.data() + 3 * (places_[row] + k),
            weights_[static_cast<size_t>(places_[row + 2] + k)]);
      }
    }
  };
  each([](int32_t row, int32_t* place, double) {
    if (place[1]++ == 0) place[0] = row;
  });
  int32_t before = 0;
  for (size_t column = 0; column < columns.places_.size(); column += 3) {
    columns.places_[column + 2] = before;
    before += columns.places_[column + 1];
  }
  each([&](int32_t row, const int32_t* place, double weight) {
    columns.weights_[static_cast<size_t>(place[2] + row - place[0])] = weight;
  });
  return columns;
}

Tensor Band::times(const Tensor& x, int axis, const char* name, Caller caller) const {
  Shape shape = x.shape();
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= shape[i];
  for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  shape[axis] = rows();
  Tensor out = raw::empty(shape, x.options());
  if (out.numel() > 0) {
    const Tensor dense = raw::contiguous(x);
    const auto folded = [&](const Tensor& tensor, int64_t size) {
      const Shape as{outer, size, inner};
      return raw::window(tensor, as, contiguous_strides(as), tensor.view().offset);
    };
    const Tensor places = from_vector(places_, {rows(), 3}, x.device());
    const Tensor weights = raw::from_host(weights_, {static_cast<int64_t>(weights_.size())}, x.options());
    x.backend().band({folded(dense, in_).view(), places.view(), weights.view(), folded(out, rows()).view()});
  }
  return record(
      name, std::move(out), {x},
      [band = *this, axis, name](const Tensor& g) { return Gradients{band.transposed(name).times(g, axis, name)}; },
      caller);
}

}  // namespace fovea::autograd
