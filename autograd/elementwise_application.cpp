#include "fovea/autograd/elementwise_application.h"

#include <algorithm>

#include "fovea/autograd/few.h"
#include "fovea/autograd/graph.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/axis_order.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

class ElementwiseNode final : public autograd::Node {
 public:
  ElementwiseNode(const ElementwiseApplication& a, std::span<const Tensor> results, bool folded)
      : Node(a.kernel->function.name.c_str(), ErrorScope::caller(a.caller), static_cast<uint32_t>(results.size())),
        kernel_(a.kernel),
        space_(a.space),
        folded_(folded),
        edges_(a.inputs.size()),
        saved_(a.inputs.size()),
        shapes_(a.inputs.size()),
        outputs_(results.size()),
        scalars_(a.scalars.size()) {
    if (a.dropped) kept_ = a.output_shapes[0];
    std::copy(a.scalars.begin(), a.scalars.end(), scalars_.span().begin());
    uint64_t wanted = 0;
    for (size_t i = 0; i < a.inputs.size(); ++i) {
      shapes_[i] = a.inputs[i]->shape();
      if (!a.inputs[i]->requires_grad()) continue;
      edges_[i] = autograd::Edge(*a.inputs[i]);
      wanted |= uint64_t{1} << i;
    }
    for (const DerivativeInput& input : kernel_->derivative(wanted, !folded_).inputs) {
      const auto i = static_cast<size_t>(input.index);
      if (input.from == DerivativeInput::From::input) saved_[i] = Saved(*a.inputs[i]);
      // A second handle on the output: the node must not hold the one that holds the node.
      if (input.from == DerivativeInput::From::output) outputs_[i] = Saved(results[i].detach());
    }
  }

  std::span<autograd::Edge> edges() override { return edges_.span(); }

  void backward(std::span<const Tensor> gradients, Needs needs, std::span<Tensor> results) override {
    Tensor kept;
    if (kept_) {
      kept = gradients[0].reshape(*kept_);
      gradients = {&kept, 1};
    }
    const ElementwiseKernel::DerivedKernel* derived = &kernel_->derivative(needs.bits, !folded_);
    if (derived->passed) {
      uint64_t rest = needs.bits;
      for (size_t i = 0; i < results.size(); ++i) {
        if (!(derived->passed >> i & 1)) continue;
        const Tensor& g = gradients[static_cast<size_t>(derived->passed_from[i])];
        if (!g.defined() || g.shape() != shapes_[i]) continue;
        results[i] = g;
        rest &= ~(uint64_t{1} << i);
      }
      if (rest == 0) return;
      derived = &kernel_->derivative(rest, !folded_);
    }
    if (derived->inputs.empty()) {  // piecewise constant: sign, floor, ...
      const Tensor& like =
          *std::find_if(gradients.begin(), gradients.end(), [](const Tensor& g) { return g.defined(); });
      for (int i : derived->wanted) {
        results[static_cast<size_t>(i)] = zeros(shapes_[static_cast<size_t>(i)], like.options());
      }
      return;
    }
    Few<const Tensor*> inputs(derived->inputs.size());
    Few<Tensor> made(derived->inputs.size());  // what has to be made for this pass
    for (size_t k = 0; k < derived->inputs.size(); ++k) {
      const DerivativeInput& input = derived->inputs[k];
      const auto i = static_cast<size_t>(input.index);
      switch (input.from) {
        case DerivativeInput::From::input:
          inputs[k] = &*saved_[i];
          break;
        case DerivativeInput::From::output:
          if (grad_enabled()) {
            made[k] = (*outputs_[i]).detach();
            autograd::attach(made[k], autograd::NodeRef(this), static_cast<uint32_t>(i));
            inputs[k] = &made[k];
          } else {
            inputs[k] = &*outputs_[i];
          }
          break;
        case DerivativeInput::From::gradient:
          if (gradients[i].defined()) {
            inputs[k] = &gradients[i];
          } else {
            const Tensor* known = &gradients[0];
            for (const Tensor& g : gradients) known = g.defined() ? &g : known;
            made[k] = zeros({}, known->options());
            inputs[k] = &made[k];
          }
          break;
      }
    }
    Few<Tensor> out(derived->wanted.size());
    Few<Shape> shapes(derived->wanted.size());
    for (size_t k = 0; k < derived->wanted.size(); ++k) shapes[k] = shapes_[static_cast<size_t>(derived->wanted[k])];
    apply({derived->kernel, inputs.span(), scalars_.span(), space_, shapes.span().data(), nullptr, where()},
          out.span());
    for (size_t k = 0; k < derived->wanted.size(); ++k) {
      results[static_cast<size_t>(derived->wanted[k])] = std::move(out[k]);
    }
  }

  void forget() noexcept override {
    for (Saved& s : saved_.span()) s = {};
    for (Saved& s : outputs_.span()) s = {};
    for (autograd::Edge& e : edges_.span()) e = {};
  }

 private:
  std::shared_ptr<const ElementwiseKernel> kernel_;
  Shape space_;
  std::optional<Shape> kept_;  // the output's shape with the axes that were dropped
  bool folded_;
  Few<autograd::Edge> edges_;
  Few<Saved> saved_;
  Few<Shape> shapes_;
  Few<Saved> outputs_;
  Few<double> scalars_;
};

/// The shape with axes of size 1 in front, up to `rank`.
View padded(const View& view, int rank) {
  View out = view;
  while (out.rank() < rank) {
    out.shape.insert(0, 1);
    out.strides.insert(0, 0);
  }
  return out;
}

/// In which order to walk through the axes: that of the inputs where they all lie in one, so that nothing is read across the
/// grain. Results of the space's shape then lie as the inputs do.
std::optional<AxisOrder> axis_order(const ElementwiseApplication& a, size_t results) {
  if (a.dropped && a.output_shapes[0] == a.space) return {};  // axes of size 1 go from what is laid out densely
  for (size_t i = 1; i < results && a.output_shapes; ++i) {
    // What is folded and what is not would lie in different orders.
    if ((a.output_shapes[i] == a.space) != (a.output_shapes[0] == a.space)) return {};
  }
  return AxisOrder::of_inputs(a.space, a.inputs);
}

void apply_named(const ElementwiseApplication& a, std::span<Tensor> results) {
  const ElementwiseFunction& f = a.kernel->function;
  const Tensor* first = nullptr;  // decides the dtype: a floating or integer input, else a bool one
  for (const Tensor* x : a.inputs) {
    if (!first || (first->dtype() == boolean && x->dtype() != boolean)) first = x;
  }
  bool recorded = false;
  for (const Tensor* x : a.inputs) {
    if (x->dtype() != first->dtype() && x->dtype() != boolean) {
      raise<DTypeError>(a.caller, "{}: dtypes differ: {} and {}; convert one with .to()", f.name, first->dtype(),
                        x->dtype());
    }
    if (&x->backend() != &first->backend()) {
      raise<DeviceError>(a.caller, "{}: tensors are on {} and {}; move one with .to()", f.name, first->device(),
                         x->device());
    }
    recorded = recorded || x->requires_grad();
  }
  check_recorded_device(f.name.c_str(), first->backend(), a.caller);
  const DType dtype = first->dtype();
  if (!is_floating(dtype) && !a.kernel->integer) {
    raise<DTypeError>(a.caller, "{}: needs a floating dtype, not {}; convert with .to(f32){}", f.name, dtype,
                      f.name == "div" ? ", or use floor_divide" : "");
  }
  check_numbers(f.name.c_str(), dtype, a.scalars, a.caller);

  std::optional<AxisOrder> order;
  if (a.space.rank() > 1) order = axis_order(a, results.size());
  Shape turned_space;
  if (order) turned_space = order->of(a.space);
  const Shape& space = order ? turned_space : a.space;
  Few<View> views(order ? results.size() + a.inputs.size() : a.output_shapes ? results.size() : 0);
  Few<const View*> outputs(results.size());
  bool folded = false;
  for (size_t i = 0; i < results.size(); ++i) {
    const Shape& shape = a.output_shapes ? a.output_shapes[i] : a.space;
    if (!f.predicate(i) && dtype == boolean) {
      raise<DTypeError>(a.caller, "{}: has no result for bool inputs; convert with .to(f32) or .to(i32)", f.name);
    }
    const bool whole = shape == a.space;
    results[i] = raw::empty(whole ? space : shape, {f.predicate(i) ? boolean : dtype, first->device()});
    outputs[i] = &results[i].view();
    if (!whole && (order || shape.rank() != a.space.rank())) {
      views[i] = padded(results[i].view(), a.space.rank());
      if (order) views[i] = order->of(views[i]);
      outputs[i] = &views[i];
    }
    folded = folded || !whole;
  }
  Few<const View*> inputs(a.inputs.size());
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    inputs[i] = &a.inputs[i]->view();
    if (!order) continue;
    View& turned = views[results.size() + i];
    turned = order->of(*inputs[i]);
    inputs[i] = &turned;
  }
  first->backend().map({f.program, raw::compute_dtype(dtype), space, inputs.span(), outputs.span(), a.scalars});
  for (size_t i = 0; i < results.size() && order; ++i) {
    if (outputs[i] == &results[i].view()) order->restore(results[i]);
  }

  if (a.dropped) {
    View& view = results[0].impl()->view;
    view.shape = *a.dropped;
    view.strides = contiguous_strides(*a.dropped);
  }
  if (!grad_enabled()) return;
  if (autograd::anomaly_enabled()) {
    for (const Tensor& result : results) autograd::check_for_nan(result, f.name.c_str(), a.caller, "result");
  }
  if (!recorded) return;
  autograd::NodeRef node(new ElementwiseNode(a, results, folded));
  for (size_t i = 0; i < results.size(); ++i) {
    if (f.predicate(i)) continue;
    // The last takes this reference: a count more is felt in small operations.
    autograd::attach(results[i], i + 1 < results.size() ? node : std::move(node), static_cast<uint32_t>(i));
  }
}

}  // namespace

void check_numbers(const char* name, DType dtype, std::span<const double> scalars, Caller caller) {
  if (is_floating(dtype)) return;
  for (double number : scalars) {
    if (!is_i32(number)) {
      raise<ValueError>(caller, "{}: {} is no i32 number, as the {} tensor asks for; convert it with .to(f32)", name,
                        number, dtype);
    }
  }
}

void apply(const ElementwiseApplication& a, std::span<Tensor> results) {
  try {
    apply_named(a, results);
  } catch (const OutOfMemoryError& error) {
    raise_out_of_memory(error, a.kernel->function.name.c_str(), a.caller);
  }
}

}  // namespace fovea
