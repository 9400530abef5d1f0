// A new kernel on both backends: a loop for the CPU, a compute shader for Vulkan, one operation over both.
#include <cmath>

#include "check.h"
#include "distances.h"

using namespace fovea;

/// The items [begin, end) of out [n, m], m = numbers[0]; see distances.comp.
template <class T>
void distances_of(const CustomCall& call, int64_t begin, int64_t end) {
  const T *a = call.inputs[0]->data<T>(), *b = call.inputs[1]->data<T>();
  T* out = call.outputs[0]->data<T>();
  const auto m = static_cast<int64_t>(call.numbers[0]), width = static_cast<int64_t>(call.numbers[1]);
  for (int64_t item = begin; item < end; ++item) {
    const T *p = a + item / m * width, *q = b + item % m * width;
    T sum = 0;
    for (int64_t c = 0; c < width; ++c) sum += std::abs(p[c] - q[c]);
    out[item] = sum;
  }
}

const CustomKernel kernel{.name = "l1_distances",
                          .cpu =
                              [](const CustomCall& call, int64_t begin, int64_t end) {
                                const bool wide = call.inputs[0]->dtype == DType::f64;
                                wide ? distances_of<double>(call, begin, end) : distances_of<float>(call, begin, end);
                              },
                          .spirv = distances};

/// |a_i - b_j|_1 of the rows of a [n, width] and b [m, width] -> [n, m], f32 or f64 (CPU), without a tensor of all
/// differences. Throws ShapeError, DTypeError.
Tensor l1_distances(const Tensor& a, const Tensor& b, Caller caller = {}) {
  if (a.rank() != 2 || b.rank() != 2 || a.size(1) != b.size(1)) {
    raise<ShapeError>(caller, "l1_distances: {} and {} are not [n, width] and [m, width]", a.shape(), b.shape());
  }
  if (a.dtype() != b.dtype() || (a.dtype() != f32 && a.dtype() != f64)) {
    raise<DTypeError>(caller, "l1_distances: {} and {} are not both f32 or f64", a.dtype(), b.dtype());
  }
  const int64_t n = a.size(0), m = b.size(0), width = a.size(1);
  Tensor out = empty({n, m}, a.options());
  raw::run(kernel, {&a, &b}, {&out}, n * m, {static_cast<double>(m), static_cast<double>(width)}, caller);
  return record(
      "l1_distances", std::move(out), {a, b},
      [a = Saved(a), b = Saved(b)](const Tensor& g) {
        const Tensor pull = sign(a->unsqueeze(1) - b->unsqueeze(0)) * g.unsqueeze(-1);
        return Gradients{sum(pull, 1), -sum(pull, 0)};
      },
      caller);
}

int main() {
  manual_seed(6);
  const Tensor a = leaf({5, 3}), b = leaf({4, 3});
  check(close(l1_distances(a, b), sum(abs(a.unsqueeze(1) - b.unsqueeze(0)), -1), 1e-12), "the definition");
  check_derivatives([](const std::vector<Tensor>& in) { return std::vector{square(l1_distances(in[0], in[1]))}; },
                    {a, b});

  const Device device = any_device();
  if (device == Device::cpu()) {
    std::puts("no Vulkan device here: the shader was not run");
    return 0;
  }
  const Tensor far = randn({300, 17}), near = randn({200, 17});
  const Tensor there = l1_distances(far.to(device), near.to(device));
  check(there.device() == device, "it runs on the device");
  check(close(there, l1_distances(far, near), 1e-4), "both backends give the same");
}
