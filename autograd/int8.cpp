#include "fovea/autograd/int8.h"

#include <algorithm>
#include <cmath>

#include "fovea/autograd/graph.h"
#include "fovea/backends/int8_matrix.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/custom.h"

namespace fovea {

namespace autograd {

struct Int8Weight {
  Int8Matrix matrix;
  uint32_t version;  // of the buffer whose numbers they are
};

}  // namespace autograd

namespace {

constexpr int64_t least_rows = 64, least_columns = 32;  // below, rounding the input costs what the product saves

const float* floats(const View& view) { return reinterpret_cast<const float*>(view.buffer->host()) + view.offset; }

/// y = x W^T + b for ranges of the rows of x: the inputs are x and, where there is one, b.
CustomKernel product(std::shared_ptr<const autograd::Int8Weight> weight) {
  return {.name = "int8_linear",
          .cpu =
              [weight = std::move(weight)](const CustomCall& call, int64_t begin, int64_t end) {
                const Int8Matrix& matrix = weight->matrix;
                const float* bias = call.inputs.size() > 1 ? floats(*call.inputs[1]) : nullptr;
                float* y = const_cast<float*>(floats(*call.outputs[0]));
                matrix.multiply(floats(*call.inputs[0]) + begin * matrix.columns(), bias, y + begin * matrix.rows(),
                                end - begin);
              },
          .grain = 32};
}

/// The least bf16 that is not below a positive number.
float up_to_bf16(float x) {
  BFloat16 near(x);
  if (static_cast<float>(near) < x) ++near.bits;
  return static_cast<float>(near);
}

}  // namespace

Int8Rows to_int8(const Tensor& x, Caller caller) {
  if (x.rank() == 0) raise<ShapeError>(caller, "to_int8: a scalar has no rows");
  if (x.dtype() != f32) raise<DTypeError>(caller, "to_int8: needs f32, not {}; convert with .to(f32)", x.dtype());
  const auto values = x.to_vector<float>();
  const auto rows = static_cast<size_t>(x.shape()[0]), width = rows == 0 ? 0 : values.size() / rows;
  Int8Rows out{x.shape(), {}, {}};
  out.values.reserve(values.size());
  for (size_t r = 0; r < rows; ++r) {
    const std::span row(values.data() + r * width, width);
    float greatest = 0;
    for (const float value : row) {
      if (!std::isfinite(value)) raise<ValueError>(caller, "to_int8: {} among the numbers", value);
      greatest = std::max(greatest, std::fabs(value));
    }
    const float scale = greatest > 1e-36f ? up_to_bf16(greatest / 127) : 0;
    out.scales.push_back(scale);
    for (const float value : row) {
      out.values.push_back(static_cast<int8_t>(scale > 0 ? std::lrint(value / scale) : 0));
    }
  }
  return out;
}

Tensor from_int8(const Int8Rows& x) {
  std::vector<float> values;
  values.reserve(x.values.size());
  const size_t width = x.scales.empty() ? 0 : x.values.size() / x.scales.size();
  for (size_t i = 0; i < x.values.size(); ++i) values.push_back(static_cast<float>(x.values[i]) * x.scales[i / width]);
  return from_vector(values, x.shape);
}

bool multiply_in_int8(const Tensor& weight, const Int8Rows& rows, Caller caller) {
  if (weight.shape() != rows.shape) {
    raise<ShapeError>(caller, "multiply_in_int8: numbers of {} for a weight {}", rows.shape, weight.shape());
  }
  const auto count = static_cast<size_t>(weight.numel());
  if (rows.values.size() != count || rows.scales.size() != static_cast<size_t>(weight.rank() ? weight.size(0) : 0)) {
    raise<ValueError>(caller, "multiply_in_int8: {} numbers and {} scales for a weight {}", rows.values.size(),
                      rows.scales.size(), weight.shape());
  }
  const bool pays = Int8Matrix::pays() && weight.rank() == 2 && weight.dtype() == f32 && weight.buffer()->host() &&
                    weight.size(0) >= least_rows && weight.size(1) >= least_columns &&
                    weight.size(1) <= Int8Matrix::most_columns;
  if (!pays) return false;
  TensorImpl& impl = *weight.impl();
  autograd::leaf_state(impl)->int8 = std::make_shared<autograd::Int8Weight>(
      autograd::Int8Weight{Int8Matrix(rows.values, rows.scales), weight.buffer()->version});
  return true;
}

Tensor autograd::int8_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const TensorImpl& impl = *weight.impl();
  if (!impl.leaf || !impl.leaf->int8 || grad_enabled() || weight.dtype() != f32) return {};
  if (impl.leaf->int8->version != impl.buffer->version || !impl.buffer->host()) return {};
  Shape shape = x.shape();
  shape[shape.rank() - 1] = weight.shape()[0];
  Tensor y = raw::empty(shape, x.options());
  const int64_t rows = y.numel() / weight.shape()[0];
  const CustomKernel kernel = product(impl.leaf->int8);
  if (bias.defined()) {
    raw::run(kernel, {&x, &bias}, {&y}, rows);
  } else {
    raw::run(kernel, {&x}, {&y}, rows);
  }
  return y;
}

}  // namespace fovea
