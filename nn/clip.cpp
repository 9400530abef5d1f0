#include "fovea/nn/clip.h"

#include <algorithm>
#include <functional>

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/sparse_rows.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
namespace {

/// Dense gradients and the values of sparse ones.
std::vector<Tensor> gradients_of(const std::vector<Tensor>& parameters, const char* name, Caller caller) {
  std::vector<Tensor> gradients;
  for (const Tensor& parameter : parameters) {
    raw::check_defined(name, parameter, caller);
    if (Tensor dense = parameter.grad(); dense.defined()) gradients.push_back(std::move(dense));
    if (const RowSparse* rows = parameter.sparse_grad()) gradients.push_back(autograd::row_values(*rows, parameter));
  }
  return gradients;
}

/// The same, once it is known that all can be changed in place.
std::vector<Tensor> writable_gradients(const std::vector<Tensor>& parameters, const char* name, Caller caller) {
  std::vector<Tensor> gradients = gradients_of(parameters, name, caller);
  for (const Tensor& g : gradients) autograd::check_in_place(g, name, caller);
  return gradients;
}

/// Adds up the squares of x into element `index` of `sums`.
void square_sum(const Tensor& x, const Tensor& sums, int64_t index) {
  static const Program program = program_of("square_sum", Op::square);
  Shape one = x.shape();
  for (int axis = 0; axis < one.rank(); ++axis) one[axis] = 1;
  const Tensor sum = raw::window(sums, one, contiguous_strides(one), index);
  raw::map(program, sums.dtype(), x.shape(), {&x}, {&sum});
}

/// x *= factor, a scalar of any dtype: it is rounded to no narrower one than the product is computed in.
void scale(const Tensor& x, const Tensor& factor, Caller caller) {
  static const Program program = program_of("clip", Op::mul);
  check_recorded_device("clip", x.backend(), caller);
  ++x.buffer()->version;
  raw::map(program, raw::compute_dtype(x.dtype()), x.shape(), {&x, &factor}, {&x});
}

/// Of the norm of all of them, of which there is at least one.
TensorOptions norm_options(const std::vector<Tensor>& gradients, const char* name, Caller caller) {
  TensorOptions options = gradients[0].options();
  for (const Tensor& g : gradients) {
    if (g.device() != options.device) {
      raise<DeviceError>(caller, "{}: gradients are on {} and {}", name, options.device, g.device());
    }
    options.dtype = options.dtype == f64 || g.dtype() == f64 ? f64 : f32;
  }
  return options;
}

/// The L2 norm of all of them together; 0 of none.
Tensor norm_of(const std::vector<Tensor>& gradients, const char* name, Caller caller) {
  static const Elementwise root{"norm", [](Expr x) { return sqrt(x); }};
  static const Elementwise identity{"sum", [](Expr x) { return x; }};
  if (gradients.empty()) return scalar(0);
  const TensorOptions options = norm_options(gradients, name, caller);
  const Tensor sums = raw::empty({static_cast<int64_t>(gradients.size())}, options);
  for (size_t i = 0; i < gradients.size(); ++i) square_sum(gradients[i], sums, static_cast<int64_t>(i));
  return root(identity.sum({}, false, {sums}));
}

/// Whether a captured step finds other rows in other memory with each run, so that what reads them runs anew, too.
bool rows_change(const std::vector<Tensor>& parameters) {
  return is_recording() && std::any_of(parameters.begin(), parameters.end(),
                                       [](const Tensor& p) { return p.defined() && p.sparse_grad(); });
}

/// A norm that `work` gives anew in each run.
Tensor norm_in_each_run(const std::vector<Tensor>& parameters, const char* name, Caller caller,
                        const std::function<Tensor()>& work) {
  Tensor norm = raw::empty({}, norm_options(gradients_of(parameters, name, caller), name, caller));
  each_run([norm, work]() mutable { norm.copy_(work()); });
  return norm.clone();
}

}  // namespace

Tensor clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise factor{"clip_factor",
                                  [](Expr norm, Scalar most) { return minimum(most / (norm + 1e-6), Expr(1)); }};
  if (!(max_norm >= 0)) raise<ValueError>(caller, "clip_grad_norm_: max_norm {} is not 0 or more", max_norm);
  const NoGrad off;
  if (rows_change(parameters)) {
    return norm_in_each_run(parameters, "clip_grad_norm_", caller,
                            [=] { return clip_grad_norm_(parameters, max_norm, caller); });
  }
  const std::vector<Tensor> gradients = writable_gradients(parameters, "clip_grad_norm_", caller);
  const Tensor norm = norm_of(gradients, "clip_grad_norm_", caller);
  // Where the host can look for free, a pass over gradients that are small enough is spared.
  const bool free = norm.buffer()->host() && !is_recording();
  if (gradients.empty() || (free && norm.item(caller) + 1e-6 <= max_norm)) return norm;
  const Tensor by = factor(norm, max_norm);
  for (const Tensor& g : gradients) scale(g, by, caller);
  return norm;
}

Tensor grad_norm(const std::vector<Tensor>& parameters, Caller caller) {
  const ErrorScope scope(caller);
  const NoGrad off;
  if (rows_change(parameters)) {
    return norm_in_each_run(parameters, "grad_norm", caller, [=] { return grad_norm(parameters, caller); });
  }
  return norm_of(gradients_of(parameters, "grad_norm", caller), "grad_norm", caller);
}

void scale_grad_(const std::vector<Tensor>& parameters, double factor, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise scale{"scale_grad_", [](Expr g, Scalar factor) { return g * factor; }};
  if (rows_change(parameters)) return each_run([=] { scale_grad_(parameters, factor, caller); });
  const NoGrad off;
  for (const Tensor& g : writable_gradients(parameters, "scale_grad_", caller)) scale.into({&g}, {g, factor});
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double limit, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise clamp{"clip_value", [](Expr g, Scalar limit) { return minimum(maximum(g, -limit), limit); }};
  if (!(limit >= 0)) raise<ValueError>(caller, "clip_grad_value_: limit {} is not 0 or more", limit);
  if (rows_change(parameters)) return each_run([=] { clip_grad_value_(parameters, limit, caller); });
  const NoGrad off;
  for (const Tensor& g : writable_gradients(parameters, "clip_grad_value_", caller)) clamp.into({&g}, {g, limit});
}

}  // namespace fovea::nn
