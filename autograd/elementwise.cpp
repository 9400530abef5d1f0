#include "fovea/autograd/elementwise.h"

#include <algorithm>

#include "fovea/autograd/elementwise_application.h"
#include "fovea/autograd/few.h"
#include "fovea/autograd/graph.h"
#include "fovea/backends/recording.h"

namespace fovea {
namespace {

using Kernel = std::shared_ptr<const ElementwiseKernel>;

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
    autograd::check_read_in_place(*arguments.inputs[k], f.name.c_str(), arguments.caller);
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
