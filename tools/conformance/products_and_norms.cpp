#include "conformance/operations.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"

namespace fovea::conformance {
namespace {

int axis_of(const Call& call) { return static_cast<int>(call.attributes.integer("dim", -1)); }

}  // namespace

void add_products_and_norms(Operations& table) {
  table["matmul"] = [](Call& call) { return std::vector{matmul(call[0], call[1])}; };
  table["matmul_tn"] = [](Call& call) { return std::vector{matmul(call[0].mT(), call[1])}; };
  table["matmul_nt"] = [](Call& call) { return std::vector{matmul(call[0], call[1].mT())}; };
  table["matmul_tt"] = [](Call& call) { return std::vector{matmul(call[0].mT(), call[1].mT())}; };
  table["linear"] = [](Call& call) { return std::vector{linear(call[0], call[1], call.optional(2))}; };

  table["softmax"] = [](Call& call) { return std::vector{softmax(call[0], axis_of(call))}; };
  table["log_softmax"] = [](Call& call) { return std::vector{log_softmax(call[0], axis_of(call))}; };
  table["layer_norm"] = [](Call& call) {
    return std::vector{layer_norm(call[0], call.optional(1), call.optional(2), call.attributes.number("eps", 1e-5))};
  };
  table["rms_norm"] = [](Call& call) {
    return std::vector{rms_norm(call[0], call.optional(1), call.attributes.number("eps", 1e-6))};
  };
  table["l2_normalize"] = [](Call& call) {
    return std::vector{l2_normalize(call[0], axis_of(call), call.attributes.number("eps", 1e-12))};
  };
}

}  // namespace fovea::conformance
