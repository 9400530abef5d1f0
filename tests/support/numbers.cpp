#include "support/numbers.h"

#include <cmath>

namespace fovea::test {

size_t Numbers::at(std::initializer_list<int64_t> index) const {
  if (static_cast<int>(index.size()) != shape.rank()) throw ValueError("Numbers: as many places as axes");
  int64_t at = 0;
  int axis = 0;
  for (int64_t i : index) {
    if (i < 0 || i >= shape[axis]) throw IndexError(fmt::format("Numbers: {} on axis {} of {}", i, axis, shape));
    at = at * shape[axis++] + i;
  }
  return static_cast<size_t>(at);
}

Numbers Numbers::as(const Shape& s) const {
  if (s.numel() != shape.numel()) throw ShapeError(fmt::format("Numbers: {} as {}", shape, s));
  Numbers out = *this;
  out.shape = s;
  return out;
}

double naive_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double naive_relu(double x) { return x > 0 ? x : 0; }
double naive_tanh(double x) { return std::tanh(x); }

Numbers naive_linear(const Numbers& x, const Numbers& w, const Numbers& b) {
  const int64_t out = w.size(0), in = w.size(1), rows = x.shape.numel() / in;
  const Numbers flat = x.as({rows, in});
  Numbers y({rows, out});
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      double sum = b.values.empty() ? 0 : b(o);
      for (int64_t i = 0; i < in; ++i) sum += flat(r, i) * w(o, i);
      y(r, o) = sum;
    }
  }
  Shape shape = x.shape;
  shape[shape.rank() - 1] = out;
  return y.as(shape);
}

Numbers naive_columns(const Numbers& x, int64_t begin, int64_t end) {
  const int64_t width = x.size(-1), rows = x.shape.numel() / width;
  Shape shape = x.shape;
  shape[shape.rank() - 1] = end - begin;
  Numbers y(shape);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = begin; c < end; ++c) {
      y.values[static_cast<size_t>(r * (end - begin) + c - begin)] = x.values[static_cast<size_t>(r * width + c)];
    }
  }
  return y;
}

Numbers naive_rows(const Numbers& x, int64_t begin, int64_t end) {
  const int64_t width = x.shape.numel() / x.size(0);
  Shape shape = x.shape;
  shape[0] = end - begin;
  Numbers y(shape);
  std::copy(x.values.begin() + begin * width, x.values.begin() + end * width, y.values.begin());
  return y;
}

Numbers naive_concat(const Numbers& a, const Numbers& b) {
  const int64_t wa = a.size(-1), wb = b.size(-1), rows = a.shape.numel() / wa;
  Shape shape = a.shape;
  shape[shape.rank() - 1] = wa + wb;
  Numbers y(shape);
  y.values.clear();
  for (int64_t r = 0; r < rows; ++r) {
    y.values.insert(y.values.end(), a.values.begin() + r * wa, a.values.begin() + (r + 1) * wa);
    y.values.insert(y.values.end(), b.values.begin() + r * wb, b.values.begin() + (r + 1) * wb);
  }
  return y;
}

Numbers naive_softmax(Numbers x, const Numbers& keep) {
  const auto width = static_cast<size_t>(x.size(-1));
  for (size_t row = 0; row < x.values.size(); row += width) {
    double total = 0;
    for (size_t i = row; i < row + width; ++i) {
      total += x.values[i] = keep.values.empty() || keep.values.at(i) != 0 ? std::exp(x.values[i]) : 0;
    }
    for (size_t i = row; i < row + width; ++i) x.values[i] = total > 0 ? x.values[i] / total : 0;
  }
  return x;
}

Numbers naive_layer_norm(Numbers x, const Numbers& w, const Numbers& b, double eps) {
  const auto width = static_cast<size_t>(x.size(-1));
  for (size_t row = 0; row < x.values.size(); row += width) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < width; ++i) mean += x.values[row + i] / static_cast<double>(width);
    for (size_t i = 0; i < width; ++i) {
      variance += (x.values[row + i] - mean) * (x.values[row + i] - mean) / static_cast<double>(width);
    }
    for (size_t i = 0; i < width; ++i) {
      x.values[row + i] = (x.values[row + i] - mean) / std::sqrt(variance + eps) * w.values[i] + b.values[i];
    }
  }
  return x;
}

Numbers naive_conv3d(const Numbers& x, const Numbers& w, const Numbers& b, const Conv3dOptions& o) {
  const auto along = [](Extent3d e, int axis) {
    return axis == 0 ? e.depth : axis == 1 ? e.plane.height : e.plane.width;
  };
  const auto positions = [&](int axis) {
    const int64_t room = x.size(2 + axis) + 2 * along(o.padding, axis);
    return (room - along(o.dilation, axis) * (w.size(2 + axis) - 1) - 1) / along(o.stride, axis) + 1;
  };
  const int64_t out = w.size(0), in = w.size(1);
  Numbers y({x.size(0), out, positions(0), positions(1), positions(2)});
  for (size_t at = 0; at < y.values.size(); ++at) {
    int64_t place[5], rest = static_cast<int64_t>(at);
    for (int axis = 4; axis >= 0; rest /= y.size(axis--)) place[axis] = rest % y.size(axis);
    const int64_t c = place[1];
    double sum = b.values.empty() ? 0 : b(c);
    for (int64_t d = 0; d < in; ++d) {
      for (int64_t k = 0; k < w.size(2) * w.size(3) * w.size(4); ++k) {
        const int64_t tap[] = {k / (w.size(3) * w.size(4)), k / w.size(4) % w.size(3), k % w.size(4)};
        int64_t from[3];
        bool inside = true;
        for (int axis = 0; axis < 3; ++axis) {
          from[axis] =
              place[2 + axis] * along(o.stride, axis) + tap[axis] * along(o.dilation, axis) - along(o.padding, axis);
          inside &= from[axis] >= 0 && from[axis] < x.size(2 + axis);
        }
        if (!inside) continue;
        sum += w(c, d, tap[0], tap[1], tap[2]) * x(place[0], c / (out / o.groups) * in + d, from[0], from[1], from[2]);
      }
    }
    y.values[at] = sum;
  }
  return y;
}

Numbers naive_conv2d(const Numbers& x, const Numbers& w, const Numbers& b, const Conv2dOptions& o) {
  const auto volume = [](const Numbers& image) {
    return image.as({image.size(0), image.size(1), 1, image.size(2), image.size(3)});
  };
  const auto flat = [](int64_t depth, Extent e) { return Extent3d(depth, e.height, e.width); };
  const Numbers y =
      naive_conv3d(volume(x), volume(w), b, {flat(1, o.stride), flat(0, o.padding), flat(1, o.dilation), o.groups});
  return y.as({y.size(0), y.size(1), y.size(3), y.size(4)});
}

Numbers naive_products(const Numbers& q, const Numbers& k, double scale) {
  const int64_t d = q.size(-1), queries = q.size(-2), keys = k.size(-2), batch = q.shape.numel() / (queries * d);
  const Numbers a = q.as({batch, queries, d}), b = k.as({batch, keys, d});
  Shape shape = q.shape;
  shape[shape.rank() - 1] = keys;
  Numbers s({batch, queries, keys});
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keys; ++j) {
        for (int64_t c = 0; c < d; ++c) s(n, i, j) += scale * a(n, i, c) * b(n, j, c);
      }
    }
  }
  return s.as(shape);
}

Numbers naive_read(const Numbers& weights, const Numbers& values) {
  const int64_t keys = weights.size(-1), queries = weights.size(-2), d = values.size(-1);
  const int64_t batch = weights.shape.numel() / (queries * keys);
  const Numbers w = weights.as({batch, queries, keys}), v = values.as({batch, keys, d});
  Shape shape = weights.shape;
  shape[shape.rank() - 1] = d;
  Numbers y({batch, queries, d});
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keys; ++j) {
        for (int64_t c = 0; c < d; ++c) y(n, i, c) += w(n, i, j) * v(n, j, c);
      }
    }
  }
  return y.as(shape);
}

}  // namespace fovea::test
