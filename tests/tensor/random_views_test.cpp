// Views of views that are drawn at random, beside plain lists of values.
#include <algorithm>
#include <numeric>
#include <random>

#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

/// A tensor as a plain list of values: what views are checked against.
struct Model {
  Shape shape;
  std::vector<double> values;

  double at(const Shape& index) const {
    int64_t offset = 0;
    for (int axis = 0; axis < shape.rank(); ++axis) offset = offset * shape[axis] + index[axis];
    return values[static_cast<size_t>(offset)];
  }

  /// The model of `out`, whose element at each index is this one's at source(index).
  Model mapped(const Shape& out, const std::function<Shape(const Shape&)>& source) const {
    Model made{out, {}};
    for (int64_t i = 0; i < out.numel(); ++i) {
      Shape index = out;
      int64_t rest = i;
      for (int axis = out.rank() - 1; axis >= 0; --axis) {
        index[axis] = rest % out[axis];
        rest /= out[axis];
      }
      made.values.push_back(at(source(index)));
    }
    return made;
  }
};

TEST_P(OnEveryDevice, ComposesRandomViews) {
  std::mt19937 random(5);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 200; ++round) {
    const Shape start{1 + below(4), 1 + below(4), 1 + below(3), 1 + below(3)};
    Tensor x = arange(0, static_cast<double>(start.numel()), 1, options()).reshape(start);
    Model model{start, x.to_vector<double>()};
    std::string done;
    for (int step = 0; step < 6; ++step) {
      const int rank = x.rank();
      const int axis = rank > 0 ? static_cast<int>(below(rank)) : 0;
      const Model before = model;
      switch (rank == 0 ? 6 : below(7)) {
        case 0: {
          std::vector<int64_t> order(static_cast<size_t>(rank));
          std::iota(order.begin(), order.end(), 0);
          std::shuffle(order.begin(), order.end(), random);
          const Shape axes{std::span<const int64_t>(order)};
          x = x.permute(axes);
          Shape shape = axes;
          for (int i = 0; i < rank; ++i) shape[i] = before.shape[static_cast<int>(axes[i])];
          model = before.mapped(shape, [&](const Shape& index) {
            Shape from = index;
            for (int i = 0; i < rank; ++i) from[static_cast<int>(axes[i])] = index[i];
            return from;
          });
          done += fmt::format(" permute{}", axes);
          break;
        }
        case 1: {
          const int64_t first = below(before.shape[axis] + 1), by = 1 + below(3);
          x = x.slice(axis, first, INT64_MAX, by);
          Shape shape = before.shape;
          shape[axis] = (before.shape[axis] - first + by - 1) / by;
          model = before.mapped(shape, [&](Shape index) {
            index[axis] = first + index[axis] * by;
            return index;
          });
          done += fmt::format(" slice({}, {}, end, {})", axis, first, by);
          break;
        }
        case 2:
          x = x.flip(axis);
          model = before.mapped(before.shape, [&](Shape index) {
            index[axis] = before.shape[axis] - 1 - index[axis];
            return index;
          });
          done += fmt::format(" flip({})", axis);
          break;
        case 3:
          if (before.shape[axis] == 0) break;
          {
            const int64_t at = below(before.shape[axis]);
            x = x.select(axis, at);
            Shape shape = before.shape;
            shape.erase(axis);
            model = before.mapped(shape, [&](Shape index) {
              index.insert(axis, at);
              return index;
            });
            done += fmt::format(" select({}, {})", axis, at);
          }
          break;
        case 4: {
          Shape shape = before.shape;
          for (int i = 0; i < rank; ++i) {
            if (shape[i] == 1) shape[i] = 1 + below(3);
          }
          x = x.expand(shape);
          model = before.mapped(shape, [&](Shape index) {
            for (int i = 0; i < rank; ++i) {
              if (before.shape[i] == 1) index[i] = 0;
            }
            return index;
          });
          done += fmt::format(" expand{}", shape);
          break;
        }
        case 5: {
          const Shape shape = rank > 1
                                  ? Shape{before.shape[0], before.shape.numel() / std::max<int64_t>(before.shape[0], 1)}
                                  : Shape{1, before.shape.numel()};
          if (shape.numel() != before.shape.numel()) break;
          x = x.reshape(shape);
          model.shape = shape;
          done += fmt::format(" reshape{}", shape);
          break;
        }
        default:
          if (rank >= 5) break;
          x = x.unsqueeze(axis);
          model.shape.insert(axis, 1);
          done += fmt::format(" unsqueeze({})", axis);
      }
      ASSERT_EQ(x.shape(), model.shape) << to_string(start) << done;
      ASSERT_TRUE(test::close(x, model.values)) << to_string(start) << done;
      ASSERT_TRUE(test::close(x.clone(), model.values)) << to_string(start) << done;
    }
  }
}

}  // namespace
}  // namespace fovea
