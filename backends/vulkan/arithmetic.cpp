#include "fovea/backends/vulkan/arithmetic.h"

namespace fovea::vulkan::spirv {
namespace {

Float exact(Code code, Float a, Float b) {
  return {a.in, a.in->module().emit_exact(code, a.in->float_type(), {a.id, b.id})};
}
Int plain(Code code, Int a, Int b) { return {a.in, a.in->module().emit(code, a.in->int_type(), {a.id, b.id})}; }
template <class Number>
Bool compare(Code code, Number a, Number b) {
  return {a.in, a.in->module().emit(code, a.in->bool_type(), {a.id, b.id})};
}
Int integer_like(Float a, int32_t value) { return a.in->integer(value); }

}  // namespace

Arithmetic::Arithmetic(Module& module, uint32_t width)
    : module_(module),
      width_(width),
      float_type_(module.type_vector(module.type_float(32), width)),
      int_type_(module.type_vector(module.type_int(32, true), width)),
      bool_type_(module.type_vector(module.type_bool(), width)) {}

Float Arithmetic::number(float value) { return {this, module_.splat(float_type_, module_.constant(value), width_)}; }
Int Arithmetic::integer(int32_t value) { return {this, module_.splat(int_type_, module_.constant(value), width_)}; }

Float operator+(Float a, Float b) { return exact(Code::f_add, a, b); }
Float operator-(Float a, Float b) { return exact(Code::f_sub, a, b); }
Float operator*(Float a, Float b) { return exact(Code::f_mul, a, b); }
Float operator/(Float a, Float b) { return exact(Code::f_div, a, b); }
Float operator-(Float a) { return {a.in, a.in->module().emit(Code::f_negate, a.in->float_type(), {a.id})}; }
Bool operator<(Float a, Float b) { return compare(Code::f_ord_less_than, a, b); }
Bool operator<=(Float a, Float b) { return compare(Code::f_ord_less_than_equal, a, b); }
Bool operator>(Float a, Float b) { return compare(Code::f_ord_greater_than, a, b); }
Bool operator==(Float a, Float b) { return compare(Code::f_ord_equal, a, b); }
Bool operator!=(Float a, Float b) { return compare(Code::f_unord_not_equal, a, b); }
Bool operator&&(Bool a, Bool b) { return compare(Code::logical_and, a, b); }
Bool operator||(Bool a, Bool b) { return compare(Code::logical_or, a, b); }
Bool operator!(Bool a) { return {a.in, a.in->module().emit(Code::logical_not, a.in->bool_type(), {a.id})}; }

Int operator+(Int a, Int b) { return plain(Code::i_add, a, b); }
Int operator-(Int a, Int b) { return plain(Code::i_sub, a, b); }
Int operator*(Int a, Int b) { return plain(Code::i_mul, a, b); }
Int operator-(Int a) { return {a.in, a.in->module().emit(Code::s_negate, a.in->int_type(), {a.id})}; }
Int operator&(Int a, Int b) { return plain(Code::bitwise_and, a, b); }
Int operator|(Int a, Int b) { return plain(Code::bitwise_or, a, b); }
Int operator<<(Int a, int bits) { return plain(Code::shift_left_logical, a, a.in->integer(bits)); }
Int operator>>(Int a, int bits) { return plain(Code::shift_right_arithmetic, a, a.in->integer(bits)); }
Bool operator<(Int a, Int b) { return compare(Code::s_less_than, a, b); }
Bool operator<=(Int a, Int b) { return compare(Code::s_less_than_equal, a, b); }
Bool operator>(Int a, Int b) { return compare(Code::s_greater_than, a, b); }
Bool operator==(Int a, Int b) { return compare(Code::i_equal, a, b); }
Bool operator!=(Int a, Int b) { return compare(Code::i_not_equal, a, b); }

Int divide(Int a, Int b) {
  const Bool zero = b == a.in->integer(0);
  return select(zero, a.in->integer(0), plain(Code::s_div, a, select(zero, a.in->integer(1), b)));
}

Float select(Bool condition, Float a, Float b) {
  return {a.in, a.in->module().emit(Code::select, a.in->float_type(), {condition.id, a.id, b.id})};
}
Int select(Bool condition, Int a, Int b) {
  return {a.in, a.in->module().emit(Code::select, a.in->int_type(), {condition.id, a.id, b.id})};
}
Float to_float(Int a) { return {a.in, a.in->module().emit(Code::convert_s_to_f, a.in->float_type(), {a.id})}; }
Int to_int(Float a) { return {a.in, a.in->module().emit(Code::convert_f_to_s, a.in->int_type(), {a.id})}; }
Int bits_of(Float a) { return {a.in, a.in->module().emit(Code::bitcast, a.in->int_type(), {a.id})}; }
Float from_bits(Int a) { return {a.in, a.in->module().emit(Code::bitcast, a.in->float_type(), {a.id})}; }

Float call(Extended function, Float a) { return {a.in, a.in->module().emit(function, a.in->float_type(), {a.id})}; }
Float call(Extended function, Float a, Float b) {
  return {a.in, a.in->module().emit(function, a.in->float_type(), {a.id, b.id})};
}
Int call(Extended function, Int a) { return {a.in, a.in->module().emit(function, a.in->int_type(), {a.id})}; }
Int call(Extended function, Int a, Int b) {
  return {a.in, a.in->module().emit(function, a.in->int_type(), {a.id, b.id})};
}
Float fma(Float a, Float b, Float c) {
  return {a.in, a.in->module().emit(Extended::fma, a.in->float_type(), {a.id, b.id, c.id})};
}

Bool is_nan(Float a) { return (bits_of(a) & integer_like(a, 0x7fffffff)) > integer_like(a, 0x7f800000); }

Float with_sign(Float a, Float b) {
  return from_bits((bits_of(a) & integer_like(a, 0x7fffffff)) | (bits_of(b) & integer_like(a, INT32_MIN)));
}

Float maximum(Float a, Float b) { return select(is_nan(a), a, select(is_nan(b), b, call(Extended::f_max, a, b))); }
Float minimum(Float a, Float b) { return select(is_nan(a), a, select(is_nan(b), b, call(Extended::f_min, a, b))); }

}  // namespace fovea::vulkan::spirv
