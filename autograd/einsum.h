#pragma once

#include <string_view>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

/// Sums of products in Einstein's notation: einsum("bqd,bkd->bqk", {q, k}). Each operand has a group of letters (a-z,
/// A-Z), one for each of its axes; the result has the axes behind "->", and what stands there not is summed over. Without
/// "->" it has the letters that occur once, in the order of the alphabet (capitals first). "..." stands for any number
/// of axes, which broadcast from the last one on; without "->" they come first. A letter that is repeated within a group
/// means the diagonal. An axis of size 1 is repeated where its letter has another size elsewhere. Operands are
/// multiplied from left to right, two at a time in one batched matmul, each letter summed as soon as nothing behind
/// needs it; with one operand the result may share its elements. Throws ValueError where the equation cannot be read,
/// ShapeError where it does not fit the operands, DTypeError, DeviceError.
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands, Caller caller = {});

}  // namespace fovea
