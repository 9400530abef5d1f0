#include "fovea/tensor/custom.h"

#include "fovea/tensor/raw.h"

namespace fovea::raw {

void run(const CustomKernel& kernel, std::initializer_list<const Tensor*> inputs,
         std::initializer_list<const Tensor*> outputs, int64_t items, std::initializer_list<double> numbers,
         Caller caller) {
  const ErrorScope scope(caller);
  if (outputs.size() == 0) raise<ValueError>(caller, "{}: a kernel without outputs", kernel.name);
  if (items < 0) raise<ValueError>(caller, "{}: {} items", kernel.name, items);
  const Device device = (*outputs.begin())->device();
  const auto check_device = [&](const Tensor& x) {
    if (x.device() != device) {
      raise<DeviceError>(caller, "{}: a tensor on {} among others on {}", kernel.name, x.device(), device);
    }
  };
  std::vector<Tensor> dense;
  for (const Tensor* x : inputs) {
    check_device(*x);
    dense.push_back(contiguous(*x));
  }
  std::vector<const View*> in, out;
  for (const Tensor& x : dense) in.push_back(&x.view());
  for (const Tensor* x : outputs) {
    check_device(*x);
    if (!x->is_contiguous()) raise<ShapeError>(caller, "{}: an output {} with gaps", kernel.name, x->shape());
    out.push_back(&x->view());
  }
  fovea::run({kernel, in, out, {numbers.begin(), numbers.size()}, items}, device);
  for (const Tensor* x : outputs) ++x->buffer()->version;
}

}  // namespace fovea::raw
