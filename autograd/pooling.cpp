#include "fovea/autograd/pooling.h"

#include <algorithm>

#include "fovea/autograd/band.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

/// One pooling of x [batch, channels, h, w] to y [batch, channels, oh, ow].
struct PoolForm {
  Shape x, y;
  int64_t kernel[2];
  WindowSteps steps;

  int64_t planes() const { return x[0] * x[1]; }
};

Tensor flat_gather(const Tensor& x, const Tensor& index) {
  return gather(x.reshape({x.shape()[0], x.shape()[1], -1}), 2, index.reshape({index.shape()[0], index.shape()[1], -1}))
      .reshape(index.shape());
}

/// g sent back to where `index` says: the adjoint of flat_gather, by the kernel.
Tensor spread_greatest(const PoolForm& f, const Tensor& g, const Tensor& index) {
  const Tensor dense = raw::contiguous(g);
  Tensor dx = raw::empty(f.x, g.options());
  g.backend().pool_backward({dense.view(), &index.view(), dx.view(), {f.kernel[0], f.kernel[1]}, f.steps});
  return record("max_pool_backward", std::move(dx), {g},
                [index = Saved(index)](const Tensor& gg) { return Gradients{flat_gather(gg, *index)}; });
}

Tensor greatest(const char* name, const PoolForm& f, const Tensor& given, Caller caller) {
  const Tensor x = given.contiguous(caller);
  Tensor out = raw::empty(f.y, x.options());
  const Tensor index = raw::empty(f.y, {i32, x.device()});
  x.backend().pool({x.view(), out.view(), &index.view(), {f.kernel[0], f.kernel[1]}, f.steps});
  return record(
      name, std::move(out), {x}, [f, index](const Tensor& g) { return Gradients{spread_greatest(f, g, index)}; },
      caller);
}

Tensor means(const char* name, const PoolForm& f, const Tensor& given, Caller caller = {});

/// g in equal parts to each window: the adjoint of means.
Tensor spread_means(const PoolForm& f, const Tensor& g) {
  const Tensor dense = raw::contiguous(g);
  Tensor dx = raw::empty(f.x, g.options());
  g.backend().pool_backward({dense.view(), nullptr, dx.view(), {f.kernel[0], f.kernel[1]}, f.steps});
  return record("avg_pool_backward", std::move(dx), {g},
                [f](const Tensor& gg) { return Gradients{means("avg_pool", f, gg)}; });
}

Tensor means(const char* name, const PoolForm& f, const Tensor& given, Caller caller) {
  const Tensor x = raw::contiguous(given);
  Tensor out = raw::empty(f.y, x.options());
  x.backend().pool({x.view(), out.view(), nullptr, {f.kernel[0], f.kernel[1]}, f.steps});
  return record(
      name, std::move(out), {given}, [f](const Tensor& g) { return Gradients{spread_means(f, g)}; }, caller);
}

/// Brings x to [batch, channels, h, w] and its dtype to one that kernels take, pools it, and brings the result back.
Tensor pool(const char* name, const Tensor& given, int space, Extent kernel, Pool2dOptions o, bool greatest_of,
            Caller caller) {
  const ErrorScope scope(caller);
  raw::check_floating(name, given, caller);
  if (given.rank() != space + 1 && given.rank() != space + 2) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, channels, {}]", name, given.shape(),
                      space == 1 ? "length" : "height, width");
  }
  if (o.stride.height == 0) o.stride.height = kernel.height;
  if (o.stride.width == 0) o.stride.width = kernel.width;
  if (kernel.height < 1 || kernel.width < 1 || o.stride.height < 0 || o.stride.width < 0 || o.padding.height < 0 ||
      o.padding.width < 0 || o.padding.height > kernel.height / 2 || o.padding.width > kernel.width / 2) {
    raise<ValueError>(caller, "{}: kernel and stride must be at least 1 and padding at most half the kernel", name);
  }
  Tensor x = given.rank() == space + 1 ? given.unsqueeze(0) : given;
  if (space == 1) x = x.unsqueeze(2);
  x = widened(x);
  PoolForm f{x.shape(),
             {x.shape()[0], x.shape()[1]},
             {kernel.height, kernel.width},
             {{o.stride.height, o.stride.width}, {o.padding.height, o.padding.width}}};
  for (int axis = 0; axis < 2; ++axis) {
    f.y.push_back(f.steps.positions(axis, x.shape()[2 + axis], f.kernel[axis]));
    if (f.y.back() < 1) {
      raise<ShapeError>(caller, "{}: a window of {} is larger than the padded input {}", name, f.kernel[axis],
                        given.shape());
    }
  }
  Tensor y;
  if (f.planes() == 0) {
    y = x.reshape(f.y);  // as empty as x, and recorded
  } else {
    y = greatest_of ? greatest(name, f, x, caller) : means(name, f, x, caller);
  }
  if (space == 1) y = y.squeeze(2);
  if (given.rank() == space + 1) y = y.squeeze(0);
  return y.to(given.dtype());
}

Pool2dOptions flat(const Pool1dOptions& o) { return {{1, o.stride}, {0, o.padding}}; }

/// The means of x's `axis`, divided into `count` parts as adaptive_avg_pool2d says.
Tensor part_means(const Tensor& x, int axis, int64_t count, Caller caller) {
  const int64_t size = x.shape()[axis];
  autograd::Band band(size);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = i * size / count, end = ((i + 1) * size + count - 1) / count;
    band.add(begin, end - begin, 1 / static_cast<double>(end - begin));
  }
  return band.times(x, axis, "adaptive_avg_pool2d", caller);
}

void need_image(const char* name, const Tensor& x, Caller caller) {
  raw::check_defined(name, x, caller);
  if (x.rank() != 3 && x.rank() != 4) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, channels, height, width]", name, x.shape());
  }
}

/// The sums of g's windows of `factor`, side by side: the adjoint of upsample_nearest.
Tensor window_sums(const Tensor& given, Extent factor) {
  Shape shape = given.shape();
  shape[shape.rank() - 2] /= factor.height;
  shape[shape.rank() - 1] /= factor.width;
  const Tensor g = raw::contiguous(given.dtype() == f64 ? given : raw::convert(given, f32));
  Tensor dx = raw::empty(shape, g.options());
  if (dx.numel() > 0) {
    const auto planes = [](const Tensor& x) {
      const Shape as{1, x.numel() / (x.size(-2) * x.size(-1)), x.size(-2), x.size(-1)};
      return raw::window(x, as, contiguous_strides(as), x.view().offset);
    };
    const WindowSteps steps{{factor.height, factor.width}};
    g.backend().pool({planes(g).view(), planes(dx).view(), nullptr, {factor.height, factor.width}, steps});
    const NoGrad off;
    dx = (dx * static_cast<double>(factor.height * factor.width)).to(given.dtype());
  }
  return record("upsample_nearest_backward", std::move(dx), {given},
                [factor](const Tensor& gg) { return Gradients{upsample_nearest(gg, factor)}; });
}

}  // namespace

Tensor max_pool1d(const Tensor& x, int64_t kernel, Pool1dOptions options, Caller caller) {
  return pool("max_pool1d", x, 1, {1, kernel}, flat(options), true, caller);
}

Tensor max_pool2d(const Tensor& x, Extent kernel, Pool2dOptions options, Caller caller) {
  return pool("max_pool2d", x, 2, kernel, options, true, caller);
}

Tensor avg_pool1d(const Tensor& x, int64_t kernel, Pool1dOptions options, Caller caller) {
  return pool("avg_pool1d", x, 1, {1, kernel}, flat(options), false, caller);
}

Tensor avg_pool2d(const Tensor& x, Extent kernel, Pool2dOptions options, Caller caller) {
  return pool("avg_pool2d", x, 2, kernel, options, false, caller);
}

Tensor adaptive_avg_pool2d(const Tensor& x, Extent output, Caller caller) {
  const ErrorScope scope(caller);
  need_image("adaptive_avg_pool2d", x, caller);
  raw::check_floating("adaptive_avg_pool2d", x, caller);
  if (output.height < 1 || output.width < 1) {
    raise<ValueError>(caller, "adaptive_avg_pool2d: {} x {} parts; there must be at least 1", output.height,
                      output.width);
  }
  if (output == Extent(1)) return mean(x, {-2, -1}, true, caller);
  const int64_t height = x.size(-2, caller), width = x.size(-1, caller);
  if (height == 0 || width == 0) {
    raise<ShapeError>(caller, "adaptive_avg_pool2d: there is nothing in an image of {}", x.shape());
  }
  if (height % output.height == 0 && width % output.width == 0) {
    const Extent part{height / output.height, width / output.width};
    return pool("adaptive_avg_pool2d", x, 2, part, {}, false, caller);
  }
  const Tensor rows = part_means(widened(x), x.rank() - 2, output.height, caller);
  return part_means(rows, x.rank() - 1, output.width, caller).to(x.dtype());
}

Tensor upsample_nearest(const Tensor& x, Extent factor, Caller caller) {
  const ErrorScope scope(caller);
  need_image("upsample_nearest", x, caller);
  if (factor.height < 1 || factor.width < 1) {
    raise<ValueError>(caller, "upsample_nearest: factor {} x {} is not at least 1", factor.height, factor.width);
  }
  const int rank = x.rank();
  Shape split, wide, shape = x.shape();
  for (int axis = 0; axis < rank; ++axis) {
    split.push_back(x.shape()[axis]);
    wide.push_back(x.shape()[axis]);
    if (axis < rank - 2) continue;
    split.push_back(1);
    wide.push_back(axis == rank - 2 ? factor.height : factor.width);
  }
  Tensor out = [&] {
    const NoGrad off;
    const Tensor repeated = x.reshape(split, caller).expand(wide, caller);  // refuses what is too large
    shape[rank - 2] *= factor.height;
    shape[rank - 1] *= factor.width;
    return raw::clone(repeated).reshape(shape, caller);  // not a view of x, which a factor of 1 would be
  }();
  return record(
      "upsample_nearest", std::move(out), {x}, [factor](const Tensor& g) { return Gradients{window_sums(g, factor)}; },
      caller);
}

}  // namespace fovea
