#include <cmath>

#include "conformance/operations.h"
#include "fovea/autograd/pointwise.h"

namespace fovea::conformance {
namespace {

Operation unary(Tensor (*function)(Operand)) {
  return [function](Call& call) { return std::vector{function(call[0])}; };
}

Operation binary(Tensor (*function)(Operand, Operand)) {
  return [function](Call& call) { return std::vector{function(call[0], call[1])}; };
}

}  // namespace

void add_pointwise_operations(Operations& table) {
  const std::map<std::string, Tensor (*)(Operand)> unaries{{"neg", neg},
                                                           {"abs", abs},
                                                           {"sign", sign},
                                                           {"square", square},
                                                           {"sqrt", sqrt},
                                                           {"rsqrt", rsqrt},
                                                           {"exp", exp},
                                                           {"expm1", expm1},
                                                           {"reciprocal", reciprocal},
                                                           {"log", log},
                                                           {"log1p", log1p},
                                                           {"sin", sin},
                                                           {"cos", cos},
                                                           {"erf", erf},
                                                           {"floor", floor},
                                                           {"ceil", ceil},
                                                           {"round", round},
                                                           {"tanh", tanh},
                                                           {"relu", relu},
                                                           {"sigmoid", sigmoid},
                                                           {"gelu", gelu},
                                                           {"silu", silu},
                                                           {"gelu_tanh", gelu_tanh},
                                                           {"softplus", softplus},
                                                           {"mish", mish},
                                                           {"hardsigmoid", hardsigmoid},
                                                           {"isnan", isnan},
                                                           {"logical_not", logical_not}};
  for (const auto& [name, function] : unaries) table[name] = unary(function);

  const std::map<std::string, Tensor (*)(Operand, Operand)> binaries{{"add", add},
                                                                     {"sub", sub},
                                                                     {"mul", mul},
                                                                     {"div", div},
                                                                     {"pow", pow},
                                                                     {"maximum", maximum},
                                                                     {"minimum", minimum},
                                                                     {"eq", eq},
                                                                     {"ne", ne},
                                                                     {"lt", lt},
                                                                     {"le", le},
                                                                     {"gt", gt},
                                                                     {"ge", ge},
                                                                     {"logical_and", logical_and},
                                                                     {"logical_or", logical_or}};
  for (const auto& [name, function] : binaries) table[name] = binary(function);

  table["where"] = [](Call& call) { return std::vector{where(call[0], call[1], call[2])}; };
  table["masked_fill"] = [](Call& call) {
    return std::vector{masked_fill(call[0], call[1], call.attributes.number("value", 0))};
  };
  table["pow_scalar"] = [](Call& call) { return std::vector{pow(call[0], call.attributes.number("exponent", 2))}; };
  table["clamp"] = [](Call& call) {
    return std::vector{
        clamp(call[0], call.attributes.number("min", -INFINITY), call.attributes.number("max", INFINITY))};
  };
  table["leaky_relu"] = [](Call& call) {
    return std::vector{leaky_relu(call[0], call.attributes.number("slope", 0.01))};
  };
  table["elu"] = [](Call& call) { return std::vector{elu(call[0], call.attributes.number("alpha", 1))}; };
}

}  // namespace fovea::conformance
