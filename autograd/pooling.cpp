#include "fovea/autograd/pooling.h"

#include <algorithm>

#include "fovea/autograd/band.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/space.h"
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

/// Throws ShapeError where an axis of the last `space` is empty: what a window or a part would be of.
void need_elements(const char* name, const Tensor& x, int space, Caller caller) {
  for (int axis = x.rank() - space; axis < x.rank(); ++axis) {
    if (x.shape()[axis] > 0) continue;
    raise<ShapeError>(caller, "{}: there is nothing in an input of {}", name, x.shape());
  }
}

/// Brings x to [batch, channels, h, w] and its dtype to one that kernels take, pools it, and brings the result back.
/// Messages show the shape that the user gave.
Tensor pool_images(const char* name, const Tensor& given, int space, Extent kernel, Pool2dOptions o, bool greatest_of,
                   const Shape& shown, Caller caller) {
  if (o.stride.height == 0) o.stride.height = kernel.height;
  if (o.stride.width == 0) o.stride.width = kernel.width;
  if (kernel.height < 1 || kernel.width < 1 || o.stride.height < 0 || o.stride.width < 0 || o.padding.height < 0 ||
      o.padding.width < 0 || o.padding.height > kernel.height / 2 || o.padding.width > kernel.width / 2) {
    raise<ValueError>(caller, "{}: kernel and stride must be at least 1 and padding at most half the kernel", name);
  }
  // So that sums and products with sizes do not wrap.
  if (const int64_t most = std::max({kernel.height, kernel.width, o.stride.height, o.stride.width}); most > INT32_MAX) {
    raise<ValueError>(caller, "{}: a kernel or stride of {} is too large", name, most);
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
      raise<ShapeError>(caller, "{}: a window of {} is larger than the padded input {}", name, f.kernel[axis], shown);
    }
  }
  if (greatest_of && f.x[2] > INT32_MAX / f.x[3]) {
    raise<ShapeError>(caller, "{}: input {} has more elements in a plane than i32 counts", name, shown);
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

void need_space(const char* name, const Tensor& x, int space, Caller caller) {
  raw::check_floating(name, x, caller);
  check_space(name, x, space, caller);
}

/// Of sequences (space 1) or images.
Tensor pool(const char* name, const Tensor& x, int space, Extent kernel, const Pool2dOptions& o, bool greatest_of,
            Caller caller) {
  const ErrorScope scope(caller);
  need_space(name, x, space, caller);
  need_elements(name, x, space, caller);
  return pool_images(name, x, space, kernel, o, greatest_of, x.shape(), caller);
}

/// Of volumes: every slice, then along the depth of what that gave. The first of equal elements is the same as of a whole
/// window, and the last NaN, too.
Tensor pool_volumes(const char* name, const Tensor& given, Extent3d kernel, const Pool3dOptions& o, bool greatest_of,
                    Caller caller) {
  const ErrorScope scope(caller);
  need_space(name, given, 3, caller);
  need_elements(name, given, 3, caller);
  const Tensor x = widened(given);
  const int depth = x.rank() - 3;
  const Tensor slices = pool_images(name, x.flatten(0, depth), 2, kernel.plane, {o.stride.plane, o.padding.plane},
                                    greatest_of, given.shape(), caller);
  const Shape& plane = slices.shape();
  Shape shape = x.shape();
  int64_t volumes = 1;
  for (int axis = 0; axis < depth; ++axis) volumes *= shape[axis];
  const Tensor columns =
      pool_images(name, slices.reshape({volumes, shape[depth], plane[1] * plane[2]}), 2, {kernel.depth, 1},
                  {{o.stride.depth, 1}, {o.padding.depth, 0}}, greatest_of, given.shape(), caller);
  shape[depth] = columns.shape()[1];
  shape[depth + 1] = plane[1];
  shape[depth + 2] = plane[2];
  return columns.reshape(shape).to(given.dtype());
}

/// The means of x's `axis`, divided into `count` parts.
Tensor part_means(const char* name, const Tensor& x, int axis, int64_t count, Caller caller) {
  const int64_t size = x.shape()[axis];
  if (count > INT32_MAX - size)
    raise<ShapeError>(caller, "{}: {} parts of {} elements are too many", name, count, size);
  autograd::Band band(size, count, count + size, name);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = i * size / count, end = ((i + 1) * size + count - 1) / count;
    band.add(begin, end - begin, 1 / static_cast<double>(end - begin));
  }
  return band.times(x, axis, name, caller);
}

Tensor adaptive_means(const char* name, const Tensor& x, const Shape& output, Caller caller) {
  const ErrorScope scope(caller);
  const int space = output.rank();
  need_space(name, x, space, caller);
  need_elements(name, x, space, caller);
  bool one = true, divides = true;
  Axes axes;
  Shape shape = x.shape();
  for (int i = 0; i < space; ++i) {
    const int axis = x.rank() - space + i;
    const int64_t parts = output[i], size = x.shape()[axis];
    if (parts < 1) raise<ValueError>(caller, "{}: {} parts; there must be at least 1", name, parts);
    shape[axis] = parts;
    one &= parts == 1;
    divides &= size % parts == 0;
    axes.list.push_back(axis);
  }
  raw::check_shape(shape, name, caller);
  if (one) return mean(x, axes, true, caller);
  if (divides && space == 2) {
    const Extent part{x.size(-2) / output[0], x.size(-1) / output[1]};
    return pool(name, x, 2, part, {}, false, caller);
  }
  Tensor made = widened(x);
  for (int i = 0; i < space; ++i) made = part_means(name, made, x.rank() - space + i, output[i], caller);
  return made.to(x.dtype());
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

Tensor max_pool3d(const Tensor& x, Extent3d kernel, Pool3dOptions options, Caller caller) {
  return pool_volumes("max_pool3d", x, kernel, options, true, caller);
}

Tensor avg_pool1d(const Tensor& x, int64_t kernel, Pool1dOptions options, Caller caller) {
  return pool("avg_pool1d", x, 1, {1, kernel}, flat(options), false, caller);
}

Tensor avg_pool2d(const Tensor& x, Extent kernel, Pool2dOptions options, Caller caller) {
  return pool("avg_pool2d", x, 2, kernel, options, false, caller);
}

Tensor avg_pool3d(const Tensor& x, Extent3d kernel, Pool3dOptions options, Caller caller) {
  return pool_volumes("avg_pool3d", x, kernel, options, false, caller);
}

Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output, Caller caller) {
  return adaptive_means("adaptive_avg_pool1d", x, {output}, caller);
}

Tensor adaptive_avg_pool2d(const Tensor& x, Extent output, Caller caller) {
  return adaptive_means("adaptive_avg_pool2d", x, {output.height, output.width}, caller);
}

Tensor adaptive_avg_pool3d(const Tensor& x, Extent3d output, Caller caller) {
  return adaptive_means("adaptive_avg_pool3d", x, {output.depth, output.plane.height, output.plane.width}, caller);
}

Tensor upsample_nearest(const Tensor& x, Extent factor, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("upsample_nearest", x, caller);
  check_space("upsample_nearest", x, 2, caller);
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
  raw::check_shape(wide, "upsample_nearest", caller);
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
