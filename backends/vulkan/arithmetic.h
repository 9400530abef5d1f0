#pragma once

#include "fovea/backends/vulkan/spirv.h"

namespace fovea::vulkan::spirv {

class Arithmetic;

/// Values of a shader under construction: operators on them emit instructions, so that a formula here reads like one.
struct Float {
  Arithmetic* in;
  Id id;
};
struct Int {
  Arithmetic* in;
  Id id;
};
struct Bool {
  Arithmetic* in;
  Id id;
};

/// f32 and i32 arithmetic on scalars or on vectors of `width`. Additions and multiplications are never contracted, so
/// that they round as they do on the CPU.
class Arithmetic {
 public:
  Arithmetic(Module& module, uint32_t width);

  Module& module() const { return module_; }
  uint32_t width() const { return width_; }
  Id float_type() const { return float_type_; }
  Id int_type() const { return int_type_; }
  Id bool_type() const { return bool_type_; }

  Float number(float value);
  Int integer(int32_t value);

 private:
  Module& module_;
  uint32_t width_;
  Id float_type_;
  Id int_type_;
  Id bool_type_;
};

Float operator+(Float a, Float b);
Float operator-(Float a, Float b);
Float operator*(Float a, Float b);
Float operator/(Float a, Float b);
Float operator-(Float a);
inline Float operator+(Float a, float b) { return a + a.in->number(b); }
inline Float operator-(Float a, float b) { return a - a.in->number(b); }
inline Float operator*(Float a, float b) { return a * a.in->number(b); }
inline Float operator+(float a, Float b) { return b.in->number(a) + b; }
inline Float operator-(float a, Float b) { return b.in->number(a) - b; }
inline Float operator*(float a, Float b) { return b.in->number(a) * b; }
inline Float operator/(float a, Float b) { return b.in->number(a) / b; }
/// NaN compares false, but for !=.
Bool operator<(Float a, Float b);
Bool operator<=(Float a, Float b);
Bool operator>(Float a, Float b);
Bool operator==(Float a, Float b);
Bool operator!=(Float a, Float b);
inline Bool operator<(Float a, float b) { return a < a.in->number(b); }
inline Bool operator<=(Float a, float b) { return a <= a.in->number(b); }
inline Bool operator>(Float a, float b) { return a > a.in->number(b); }
inline Bool operator==(Float a, float b) { return a == a.in->number(b); }
inline Bool operator!=(Float a, float b) { return a != a.in->number(b); }
Bool operator&&(Bool a, Bool b);
Bool operator||(Bool a, Bool b);
Bool operator!(Bool a);

Int operator+(Int a, Int b);
Int operator-(Int a, Int b);
Int operator*(Int a, Int b);
Int operator-(Int a);
Int operator&(Int a, Int b);
Int operator|(Int a, Int b);
Int operator<<(Int a, int bits);
/// Keeps the sign.
Int operator>>(Int a, int bits);
Bool operator<(Int a, Int b);
Bool operator<=(Int a, Int b);
Bool operator>(Int a, Int b);
Bool operator==(Int a, Int b);
Bool operator!=(Int a, Int b);
/// Truncates; 0 where b is 0.
Int divide(Int a, Int b);

Float select(Bool condition, Float a, Float b);
Int select(Bool condition, Int a, Int b);
inline Float select(Bool condition, float a, Float b) { return select(condition, b.in->number(a), b); }
inline Float select(Bool condition, float a, float b) {
  return select(condition, condition.in->number(a), condition.in->number(b));
}
Float to_float(Int a);
/// Truncates.
Int to_int(Float a);
Int bits_of(Float a);
Float from_bits(Int a);

Float call(Extended function, Float a);
Float call(Extended function, Float a, Float b);
Int call(Extended function, Int a);
Int call(Extended function, Int a, Int b);
Float fma(Float a, Float b, Float c);
inline Float abs(Float a) { return call(Extended::f_abs, a); }
/// By the bits, for a driver may take it that there are none.
Bool is_nan(Float a);
/// The magnitude of a with the sign of b.
Float with_sign(Float a, Float b);
Float maximum(Float a, Float b);  // NaN if either is
Float minimum(Float a, Float b);

// Functions that a driver computes too roughly or not at all (Vulkan allows sin an error of 2^-11). Errors of a few
// units in the last place; infinities, zeros and NaN as in C.
Float exp(Float x);
Float expm1(Float x);
Float log(Float x);
Float log1p(Float x);
/// Good for |x| up to some 1e5.
Float sin(Float x);
Float cos(Float x);
Float tanh(Float x);
Float sigmoid(Float x);
Float softplus(Float x);
Float erf(Float x);
Float pow(Float x, Float y);
Float atan2(Float y, Float x);

}  // namespace fovea::vulkan::spirv
