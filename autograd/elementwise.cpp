#include "fovea/autograd/elementwise.h"

#include <algorithm>

#include "fovea/autograd/elementwise_kernel.h"
#include "fovea/autograd/graph.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

constexpr size_t few = 4;

/// An array that lives in its owner up to `few` elements, numbers and pointers uninitialised.
template <class T>
class Few {
 public:
  explicit Few(size_t size) : size_(size) {
    if (size > few) {
      many_.resize(size);
    } else {
      // Clearing the room would take longer than its use.
      std::uninitialized_default_construct_n(inline_data(), size);
    }
  }
  ~Few() {
    if (size_ <= few) std::destroy_n(inline_data(), size_);
  }
  Few(const Few&) = delete;
  Few& operator=(const Few&) = delete;

  std::span<T> span() { return {size_ > few ? many_.data() : inline_data(), size_}; }
  T& operator[](size_t i) { return span()[i]; }
  size_t size() const { return size_; }

 private:
  T* inline_data() { return std::launder(reinterpret_cast<T*>(inline_)); }

  size_t size_;
  alignas(T) std::byte inline_[few * sizeof(T)];
  std::vector<T> many_;
};

using Kernel = std::shared_ptr<const ElementwiseKernel>;

/// One application: what to run on what, and the shapes of the results where they are not the space's.
struct Application {
  const Kernel& kernel;
  std::span<const Tensor* const> inputs;
  std::span<const double> scalars;
  const Shape& space;
  const Shape* output_shapes = nullptr;  // one per output; null: all have the space's
  const Shape* dropped = nullptr;        // the only output's shape without the axes that it was folded over
  Caller caller;
};

void apply(const Application& application, std::span<Tensor> results);

class ElementwiseNode final : public autograd::Node {
 public:
  ElementwiseNode(const Application& a, std::span<const Tensor> results, bool folded)
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
  Kernel kernel_;
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

/// Arithmetic on i32 and bool takes whole numbers only: 0.5 would silently become 0.
void check_numbers(const char* name, DType dtype, std::span<const double> scalars, Caller caller) {
  if (is_floating(dtype)) return;
  for (double number : scalars) {
    if (!is_i32(number)) {
      raise<ValueError>(caller, "{}: {} is no i32 number, as the {} tensor asks for; convert it with .to(f32)", name,
                        number, dtype);
    }
  }
}

void apply_named(const Application& a, std::span<Tensor> results) {
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

  Few<View> folded_views(a.output_shapes ? results.size() : 0);
  Few<const View*> outputs(results.size());
  bool folded = false;
  for (size_t i = 0; i < results.size(); ++i) {
    const Shape& shape = a.output_shapes ? a.output_shapes[i] : a.space;
    if (!f.predicate(i) && dtype == boolean) {
      raise<DTypeError>(a.caller, "{}: has no result for bool inputs; convert with .to(f32) or .to(i32)", f.name);
    }
    results[i] = raw::empty(shape, {f.predicate(i) ? boolean : dtype, first->device()});
    outputs[i] = &results[i].view();
    if (shape.rank() != a.space.rank()) {
      folded_views[i] = padded(results[i].view(), a.space.rank());
      outputs[i] = &folded_views[i];
    }
    folded = folded || shape != a.space;
  }
  Few<const View*> inputs(a.inputs.size());
  for (size_t i = 0; i < a.inputs.size(); ++i) inputs[i] = &a.inputs[i]->view();
  first->backend().map({f.program, raw::compute_dtype(dtype), a.space, inputs.span(), outputs.span(), a.scalars});

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

void apply(const Application& a, std::span<Tensor> results) {
  try {
    apply_named(a, results);
  } catch (const OutOfMemoryError& error) {
    raise_out_of_memory(error, a.kernel->function.name.c_str(), a.caller);
  }
}

/// Arguments sorted into tensors and numbers, and the kernel that takes them so.
struct Arguments {
  Arguments(const Kernel& given, std::span<const Operand> operands)
      : kernel(&given),
        inputs(static_cast<size_t>(
            std::count_if(operands.begin(), operands.end(), [](const Operand& operand) { return operand.tensor; }))),
        scalars(operands.size() - inputs.size()),
        caller(operands.empty() ? Caller() : operands[0].caller) {
    const ElementwiseFunction& f = given->function;
    if (operands.size() != given->is_scalar.size()) {
      raise<ValueError>(caller, "{}: takes {} arguments, not {}", f.name, given->is_scalar.size(), operands.size());
    }
    uint64_t numbers = 0;
    for (size_t p = 0; p < operands.size(); ++p) {
      if (operands[p].tensor) {
        raw::check_defined(f.name.c_str(), *operands[p].tensor, caller);
        if (given->is_scalar[p]) raise<ValueError>(caller, "{}: argument {} must be a number", f.name, p);
      } else if (!given->is_scalar[p]) {
        numbers |= uint64_t{1} << p;
      }
    }
    if (inputs.size() == 0) raise<ValueError>(caller, "{}: needs a tensor among its arguments", f.name);
    if (numbers) kernel = &given->with_numbers(numbers);
    size_t input = 0, scalar = 0, late = static_cast<size_t>(f.scalars);
    for (size_t p = 0; p < operands.size(); ++p) {
      if (operands[p].tensor) {
        inputs[input] = operands[p].tensor;
        space =
            input == 0 ? inputs[0]->shape() : broadcast_shapes(space, inputs[input]->shape(), f.name.c_str(), caller);
        ++input;
      } else {
        scalars[given->is_scalar[p] ? scalar++ : late++] = operands[p].number;
      }
    }
  }

  const Kernel* kernel;
  Few<const Tensor*> inputs;
  Few<double> scalars;
  Shape space;
  Caller caller;
};

void check_one_output(const ElementwiseFunction& f, Caller caller) {
  if (f.outputs.size() != 1)
    raise<ValueError>(caller, "{}: has {} outputs; all() gives them", f.name, f.outputs.size());
}

}  // namespace

void Elementwise::define(const char* name, std::span<const bool> scalar_parameters,
                         const std::function<std::vector<Expr>(const std::vector<Expr>&)>& body) {
  if (scalar_parameters.size() > 63) raise_here<ValueError>("{}: more than 63 parameters", name);
  ElementwiseFunction f;
  f.name = name;
  {
    const ExprGraph::Building building(f.graph);
    std::vector<Expr> arguments;
    for (bool scalar : scalar_parameters) {
      arguments.push_back(scalar ? f.graph.scalar(f.scalars++) : f.graph.input(f.inputs++));
    }
    f.outputs = body(arguments);
  }
  kernel_ = std::make_shared<ElementwiseKernel>(std::move(f),
                                                std::vector<bool>(scalar_parameters.begin(), scalar_parameters.end()));
}

Tensor Elementwise::one(std::span<const Operand> operands) const {
  Arguments arguments(kernel_, operands);
  check_one_output(kernel_->function, arguments.caller);
  std::array<Tensor, 1> result;
  apply({*arguments.kernel, arguments.inputs.span(), arguments.scalars.span(), arguments.space, nullptr, nullptr,
         arguments.caller},
        result);
  return std::move(result[0]);
}

std::vector<Tensor> Elementwise::many(std::span<const Operand> operands) const {
  Arguments arguments(kernel_, operands);
  std::vector<Tensor> results(kernel_->function.outputs.size());
  apply({*arguments.kernel, arguments.inputs.span(), arguments.scalars.span(), arguments.space, nullptr, nullptr,
         arguments.caller},
        results);
  return results;
}

Tensor Elementwise::sum(const Axes& axes, bool keepdim, std::initializer_list<Operand> operands) const {
  Arguments arguments(kernel_, {operands.begin(), operands.size()});
  check_one_output(kernel_->function, arguments.caller);
  Shape kept = arguments.space;
  const auto folded = chosen_axes(axes, kept.rank(), kernel_->function.name.c_str(), arguments.caller);
  Shape out;
  for (int axis = 0; axis < kept.rank(); ++axis) {
    if (folded[static_cast<size_t>(axis)]) {
      kept[axis] = 1;
      if (keepdim) out.push_back(1);
    } else {
      out.push_back(kept[axis]);
    }
  }
  std::array<Tensor, 1> result;
  apply({*arguments.kernel, arguments.inputs.span(), arguments.scalars.span(), arguments.space, &kept,
         out == kept ? nullptr : &out, arguments.caller},
        result);
  return std::move(result[0]);
}

void Elementwise::into(std::initializer_list<const Tensor*> outputs, std::initializer_list<Operand> operands) const {
  Arguments arguments(kernel_, {operands.begin(), operands.size()});
  const ElementwiseFunction& f = (*arguments.kernel)->function;
  if (outputs.size() != f.outputs.size()) {
    raise<ValueError>(arguments.caller, "{}: has {} outputs, not {}", f.name, f.outputs.size(), outputs.size());
  }
  const Tensor& first = **outputs.begin();
  const auto check = [&](const Tensor& x) {
    if (x.dtype() != first.dtype() && x.dtype() != boolean) {
      raise<DTypeError>(arguments.caller, "{}: dtypes differ: {} and {}; convert one with .to()", f.name, first.dtype(),
                        x.dtype());
    }
    if (&x.backend() != &first.backend()) {
      raise<DeviceError>(arguments.caller, "{}: tensors are on {} and {}; move one with .to()", f.name, first.device(),
                         x.device());
    }
  };
  check_recorded_device(f.name.c_str(), first.backend(), arguments.caller);
  check_numbers(f.name.c_str(), first.dtype(), arguments.scalars.span(), arguments.caller);
  for (const Tensor* output : outputs) {
    check(*output);
    autograd::check_in_place(*output, f.name.c_str(), arguments.caller);
    if (output->shape() != arguments.space) {
      raise<ShapeError>(arguments.caller, "{}: cannot write a result of {} into {}", f.name, arguments.space,
                        output->shape());
    }
  }
  Few<Tensor> inputs(arguments.inputs.size());
  Few<const View*> in(arguments.inputs.size());
  for (size_t k = 0; k < in.size(); ++k) {
    check(*arguments.inputs[k]);
    inputs[k] = *arguments.inputs[k];
    for (const Tensor* output : outputs) inputs[k] = raw::unaliased(inputs[k], *output);
    in[k] = &inputs[k].view();
  }
  Few<const View*> out(outputs.size());
  size_t i = 0;
  for (const Tensor* output : outputs) {
    ++output->buffer()->version;
    out[i++] = &output->view();
  }
  first.backend().map(
      {f.program, raw::compute_dtype(first.dtype()), arguments.space, in.span(), out.span(), arguments.scalars.span()});
}

}  // namespace fovea
