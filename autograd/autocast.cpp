#include "fovea/autograd/autocast.h"

namespace fovea {
namespace {

thread_local DType current = DType::f32;

}  // namespace

Autocast::Autocast(DType dtype, Caller caller) : before_(current) {
  if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16) {
    raise<DTypeError>(caller, "Autocast: products are computed in f32, f16 or bf16, not {}", name(dtype));
  }
  current = dtype;
}

Autocast::~Autocast() { current = before_; }

DType Autocast::product_dtype() { return current; }

bool autograd::rounds_operands(const Tensor& x) {
  return x.dtype() == f32 && current == bf16 && x.backend().has_bf16_operands();
}

}  // namespace fovea
