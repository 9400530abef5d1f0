// Kernels of every instruction for one compute type, compiled once for every SIMD target.
#if defined(FOVEA_BACKENDS_CPU_MAP_KERNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_MAP_KERNELS_INL_H_
#undef FOVEA_BACKENDS_CPU_MAP_KERNELS_INL_H_
#else
#define FOVEA_BACKENDS_CPU_MAP_KERNELS_INL_H_
#endif

#include <cmath>
#include <type_traits>
#include <utility>

#include "fovea/backends/cpu/half_lanes-inl.h"
#include "fovea/backends/cpu/map_convert.h"
#include "fovea/backends/cpu/map_kernels.h"
#include "fovea/backends/cpu/math-inl.h"
#include "fovea/backends/cpu/math_lanes-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Functions of floating numbers beyond arithmetic: vectors for f32, the C library for f64 (and, through it, i32).
constexpr bool IsFunction(Op op) {
  switch (op) {
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::sin:
    case Op::cos:
    case Op::tanh:
    case Op::sigmoid:
    case Op::erf:
    case Op::softplus:
    case Op::pow:
    case Op::atan2:
      return true;
    default:
      return false;
  }
}

/// Whether i32 computes the operation element by element.
constexpr bool IsScalarInteger(Op op) {
  return IsFunction(op) || op == Op::div || op == Op::sqrt || op == Op::rsqrt || op == Op::reciprocal;
}

template <Op op>
inline double Scalar(double a, double b) {
  switch (op) {
    case Op::exp:
      return std::exp(a);
    case Op::expm1:
      return std::expm1(a);
    case Op::log:
      return std::log(a);
    case Op::log1p:
      return std::log1p(a);
    case Op::sin:
      return std::sin(a);
    case Op::cos:
      return std::cos(a);
    case Op::tanh:
      return std::tanh(a);
    case Op::sigmoid: {
      const double e = std::exp(-std::abs(a));
      return (std::signbit(a) ? e : 1.0) / (1.0 + e);
    }
    case Op::erf:
      return std::erf(a);
    case Op::softplus:
      return (a < 0 ? 0.0 : a) + std::log1p(std::exp(-std::abs(a)));
    case Op::pow:
      return std::pow(a, b);
    case Op::atan2:
      return std::atan2(a, b);
    case Op::sqrt:
      return std::sqrt(a);
    case Op::rsqrt:
      return 1.0 / std::sqrt(a);
    case Op::reciprocal:
      return 1.0 / a;
    case Op::div:
      return b == 0 ? 0.0 : a / b;  // integers only: nothing to give for a zero divisor
    default:
      return a;
  }
}

/// a != b as C has it: hn::Ne does not hold for NaN on every target.
template <class V>
HWY_INLINE auto Differ(V a, V b) {
  return hn::Not(hn::Eq(a, b));
}

/// One where the mask holds, else zero.
template <class D, class M>
HWY_INLINE hn::Vec<D> Truth(D d, M mask) {
  return hn::IfThenElseZero(mask, hn::Set(d, 1));
}

/// The greater (or lesser) of a and b; NaN if either is.
template <class D, class V, class M>
HWY_INLINE V Extremum(D, V a, V b, M first) {
  if constexpr (std::is_floating_point_v<hn::TFromD<D>>) {
    return hn::IfThenElse(hn::Or(first, Differ(a, a)), a, b);
  } else {
    return hn::IfThenElse(first, a, b);
  }
}

template <Op op, class D, class V>
HWY_INLINE V Apply(D d, V a, [[maybe_unused]] V b, [[maybe_unused]] V c) {
  constexpr bool floating = std::is_floating_point_v<hn::TFromD<D>>;
  const V zero = hn::Zero(d);
  if constexpr (op == Op::neg) return hn::Neg(a);
  if constexpr (op == Op::abs) return hn::Abs(a);
  if constexpr (op == Op::sign) {
    const V one = hn::Set(d, 1);
    return hn::IfThenElse(hn::Gt(a, zero), one, hn::IfThenElse(hn::Lt(a, zero), hn::Neg(one), a));
  }
  if constexpr (op == Op::square) return hn::Mul(a, a);
  if constexpr (op == Op::relu) {
    if constexpr (floating) {
      return AtLeast(d, 0, a);
    } else {
      return hn::Max(a, zero);
    }
  }
  if constexpr (op == Op::logical_not) return Truth(d, hn::Eq(a, zero));
  if constexpr (op == Op::isnan) return Truth(d, Differ(a, a));
  if constexpr (op == Op::add) return hn::Add(a, b);
  if constexpr (op == Op::sub) return hn::Sub(a, b);
  if constexpr (op == Op::mul) return hn::Mul(a, b);
  if constexpr (op == Op::maximum) return Extremum(d, a, b, hn::Gt(a, b));
  if constexpr (op == Op::minimum) return Extremum(d, a, b, hn::Lt(a, b));
  if constexpr (op == Op::eq) return Truth(d, hn::Eq(a, b));
  if constexpr (op == Op::ne) return Truth(d, Differ(a, b));
  if constexpr (op == Op::lt) return Truth(d, hn::Lt(a, b));
  if constexpr (op == Op::gt) return Truth(d, hn::Gt(a, b));
  if constexpr (op == Op::logical_and) return Truth(d, hn::And(Differ(a, zero), Differ(b, zero)));
  if constexpr (op == Op::logical_or) return Truth(d, hn::Or(Differ(a, zero), Differ(b, zero)));
  if constexpr (op == Op::select) return hn::IfThenElse(Differ(a, zero), b, c);
  if constexpr (floating) {
    if constexpr (op == Op::sqrt) return hn::Sqrt(a);
    if constexpr (op == Op::rsqrt) return hn::Div(hn::Set(d, 1), hn::Sqrt(a));
    if constexpr (op == Op::reciprocal) return hn::Div(hn::Set(d, 1), a);
    // Rounding to zero keeps the sign, which Highway's scalars lose.
    if constexpr (op == Op::floor) return hn::CopySign(hn::Floor(a), a);
    if constexpr (op == Op::ceil) return hn::CopySign(hn::Ceil(a), a);
    if constexpr (op == Op::round) return hn::CopySign(hn::Round(a), a);
    if constexpr (op == Op::div) return hn::Div(a, b);
    if constexpr (op == Op::le) return Truth(d, hn::Le(a, b));
    if constexpr (op == Op::ge) return Truth(d, hn::Ge(a, b));
    if constexpr (op == Op::fma) return hn::MulAdd(a, b, c);
  } else {
    if constexpr (op == Op::le) return Truth(d, hn::Not(hn::Gt(a, b)));
    if constexpr (op == Op::ge) return Truth(d, hn::Not(hn::Lt(a, b)));
    if constexpr (op == Op::fma) return hn::Add(hn::Mul(a, b), c);
  }
  if constexpr (std::is_same_v<hn::TFromD<D>, float>) {
    if constexpr (op == Op::exp) return Exp(d, a);
    if constexpr (op == Op::expm1) return Expm1(d, a);
    if constexpr (op == Op::log) return Log(d, a);
    if constexpr (op == Op::log1p) return Log1p(d, a);
    if constexpr (op == Op::sin) return Sin(d, a);
    if constexpr (op == Op::cos) return Cos(d, a);
    if constexpr (op == Op::tanh) return Tanh(d, a);
    if constexpr (op == Op::sigmoid) return Sigmoid(d, a);
    if constexpr (op == Op::erf) return Erf(d, a);
    if constexpr (op == Op::softplus) return Softplus(d, a);
    if constexpr (op == Op::pow) return Pow(d, a, b);
    if constexpr (op == Op::atan2) return Atan2(d, a, b);
  }
  return a;  // floor and its like of integers
}

template <class T>
const T* Input(const Step& step, const Operand* operands, int k) {
  return static_cast<const T*>(operands[step.in[k]].data);
}

/// f of up to three operands, vector by vector; a last part of a vector goes through the same instructions.
template <class T, int arity, class F>
HWY_INLINE void ForVectors(const Step& step, const Operand* operands, int64_t n, F f) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const T* a = Input<T>(step, operands, 0);
  const T* b = Input<T>(step, operands, arity > 1 ? 1 : 0);
  const T* c = Input<T>(step, operands, arity > 2 ? 2 : 0);
  const int64_t a_step = operands[step.in[0]].step * lanes;
  const int64_t b_step = arity > 1 ? operands[step.in[1]].step * lanes : 0;
  const int64_t c_step = arity > 2 ? operands[step.in[2]].step * lanes : 0;
  T* out = static_cast<T*>(operands[step.out].data);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(f(d, hn::LoadU(d, a), hn::LoadU(d, b), hn::LoadU(d, c)), d, out + i);
    a += a_step;
    b += b_step;
    c += c_step;
  }
  if (i < n) {
    const int64_t rest = n - i;
    const auto result = f(d, LoadFirst(d, a, rest), LoadFirst(d, b, rest), LoadFirst(d, c, rest));
    StoreFirst(d, result, out + i, rest);
  }
}

template <Op op>
struct Apply1 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b, V c) const {
    return Apply<op>(d, a, b, c);
  }
};

template <First first, Second second>
struct Apply2 {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b, V c) const {
    const V t = first == First::add ? hn::Add(a, b) : first == First::sub ? hn::Sub(a, b) : hn::Mul(a, b);
    if constexpr (second == Second::add) return hn::Add(t, c);
    if constexpr (second == Second::sub) return hn::Sub(t, c);
    if constexpr (second == Second::from) return hn::Sub(c, t);
    return hn::Mul(t, c);
  }
};

// A function takes long enough for what it reads to arrive meanwhile, which a product or sum on its own would wait for.
template <Op op, bool of_product, After after>
struct ApplyFunction {
  static constexpr int arity = 1 + of_product + (after != After::nothing);

  template <class D, class V>
  HWY_INLINE V operator()(D d, V a, V b, V c) const {
    const V x = of_product ? hn::Mul(a, b) : a, last = of_product ? c : b;
    const V y = Apply<op>(d, x, x, x);
    if constexpr (after == After::add) return hn::Add(y, last);
    return after == After::mul ? hn::Mul(y, last) : y;
  }
};

template <class T, Op op>
void Run(const Step& step, const Operand* operands, int64_t n) {
  if constexpr (std::is_same_v<T, float> || !(std::is_same_v<T, double> ? IsFunction(op) : IsScalarInteger(op))) {
    ForVectors<T, arity(op)>(step, operands, n, Apply1<op>{});
  } else {
    const T *a = Input<T>(step, operands, 0), *b = Input<T>(step, operands, arity(op) - 1);
    const int64_t a_step = operands[step.in[0]].step, b_step = operands[step.in[arity(op) - 1]].step;
    T* out = static_cast<T*>(operands[step.out].data);
    for (int64_t i = 0; i < n; ++i) {
      out[i] = convert<T>(Scalar<op>(static_cast<double>(a[i * a_step]), static_cast<double>(b[i * b_step])));
    }
  }
}

template <class T>
void Copy(const Step& step, const Operand* operands, int64_t n) {
  ForVectors<T, 1>(step, operands, n, Apply1<Op::input>{});
}

template <class T, int code>
void RunPair(const Step& step, const Operand* operands, int64_t n) {
  ForVectors<T, 3>(step, operands, n, Apply2<static_cast<First>(code / 4), static_cast<Second>(code % 4)>{});
}

/// bound where x lies beyond it, else y.
template <bool below, class V>
HWY_INLINE V Bounded(V x, V bound, V y) {
  if constexpr (std::is_integral_v<hn::TFromV<V>>) {
    return hn::IfThenElse(below ? hn::Gt(x, bound) : hn::Lt(x, bound), y, bound);
  } else {
    return hn::IfThenElse(below ? hn::Le(x, bound) : hn::Ge(x, bound), bound, y);
  }
}

template <bool below>
struct ApplyBounded {
  static constexpr int arity = 3;

  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b, V c) const {
    return Bounded<below>(a, b, c);
  }
};

struct ApplyClamped {
  static constexpr int arity = 3;

  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b, V c) const {
    return Bounded<false>(a, c, Bounded<true>(a, b, a));
  }
};

template <Combine combine, class D, class V>
HWY_INLINE V Fold(D d, V a, V b) {
  if constexpr (combine == Combine::sum) return hn::Add(a, b);
  return combine == Combine::maximum ? Apply<Op::maximum>(d, a, b, b) : Apply<Op::minimum>(d, a, b, b);
}

template <class T, Combine combine>
void RunFold(const void* x, int64_t n, void* lanes) {
  const hn::CappedTag<T, 256 / sizeof(T)> d;
  constexpr auto width = static_cast<int64_t>(hn::MaxLanes(d)), count = fold_lanes<T> / width;
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(lanes);
  hn::Vec<decltype(d)> partial[count];
  for (int64_t k = 0; k < count; ++k) partial[k] = hn::LoadU(d, out + k * width);
  for (; n >= fold_lanes<T>; n -= fold_lanes<T>, in += fold_lanes<T>) {
    for (int64_t k = 0; k < count; ++k) partial[k] = Fold<combine>(d, partial[k], hn::LoadU(d, in + k * width));
  }
  for (int64_t k = 0; k < count; ++k) hn::StoreU(partial[k], d, out + k * width);
  int64_t k = 0;
  for (; k + width <= n; k += width)
    hn::StoreU(Fold<combine>(d, hn::LoadU(d, out + k), hn::LoadU(d, in + k)), d, out + k);
  if (k < n) {
    const auto folded = Fold<combine>(d, LoadFirst(d, out + k, n - k), LoadFirst(d, in + k, n - k));
    StoreFirst(d, folded, out + k, n - k);
  }
}

/// Halves a vector's lanes until one is left.
template <Combine combine, class D, class T = hn::TFromD<D>>
HWY_INLINE T FoldLanes([[maybe_unused]] D d, hn::Vec<D> v) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> half;
    return FoldLanes<combine>(half, Fold<combine>(half, hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
#endif
  return hn::GetLane(v);
}

/// n elements as a long run of their own, folded by `fold`.
template <Combine combine, class D, class F, class T = hn::TFromD<D>>
HWY_INLINE T FoldRow(D d, const T* in, int64_t n, F fold) {
  using Limits = std::numeric_limits<T>;
  constexpr auto width = static_cast<int64_t>(hn::MaxLanes(D())), count = fold_lanes<T> / width;
  const T greatest = Limits::has_infinity ? Limits::infinity() : Limits::max();
  const T least = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  const auto nothing = hn::Set(d, combine == Combine::sum ? T{0} : combine == Combine::maximum ? least : greatest);
  hn::Vec<D> partial[count];
  for (int64_t k = 0; k < count; ++k) partial[k] = nothing;
  for (; n >= fold_lanes<T>; n -= fold_lanes<T>, in += fold_lanes<T>) {
    for (int64_t k = 0; k < count; ++k) partial[k] = fold(partial[k], hn::LoadU(d, in + k * width));
  }
  for (int64_t k = 0; k < count && n > 0; ++k, n -= width, in += width) {
    const int64_t here = std::min(n, width);
    const auto some = hn::FirstN(d, static_cast<size_t>(here));
    const auto v = here == width ? hn::LoadU(d, in) : hn::IfThenElse(some, LoadFirst(d, in, here), nothing);
    partial[k] = fold(partial[k], v);
  }
  for (int64_t half = count / 2; half > 0; half /= 2) {
    for (int64_t k = 0; k < half; ++k) partial[k] = Fold<combine>(d, partial[k], partial[k + half]);
  }
  return FoldLanes<combine>(d, partial[0]);
}

template <class T, Combine combine>
void RunFoldEach(const void* x, int64_t n, int64_t rows, void* results) {
  const hn::CappedTag<T, 256 / sizeof(T)> d;
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(results);
  const auto exactly = [&](auto a, auto b) HWY_ATTR { return Fold<combine>(d, a, b); };
  for (int64_t row = 0; row < rows; ++row, in += n) {
    if constexpr (std::is_floating_point_v<T> && combine != Combine::sum) {
      // What keeps a NaN takes four instructions, each of which waits for the one before; rows seldom hold one.
      auto nan = hn::FirstN(d, 0);
      const T result = FoldRow<combine>(d, in, n, [&](auto a, auto b) HWY_ATTR {
        nan = hn::Or(nan, Differ(b, b));
        return combine == Combine::maximum ? hn::Max(a, b) : hn::Min(a, b);
      });
      out[row] = hn::AllFalse(d, nan) ? result : FoldRow<combine>(d, in, n, exactly);
    } else {
      out[row] = FoldRow<combine>(d, in, n, exactly);
    }
  }
}

/// `count` vectors of every row, kept in registers from the first row to the last.
template <Combine combine, int count, class D, class T>
HWY_INLINE void FoldColumns(D d, const T* in, int64_t stride, int64_t rows, T* out) {
  constexpr auto width = static_cast<int64_t>(hn::MaxLanes(D()));
  hn::Vec<D> partial[count];
  for (int k = 0; k < count; ++k) partial[k] = hn::LoadU(d, out + k * width);
  for (int64_t row = 0; row < rows; ++row, in += stride) {
    for (int k = 0; k < count; ++k) partial[k] = Fold<combine>(d, partial[k], hn::LoadU(d, in + k * width));
  }
  for (int k = 0; k < count; ++k) hn::StoreU(partial[k], d, out + k * width);
}

template <class T, Combine combine>
void RunFoldRows(const void* x, int64_t stride, int64_t rows, int64_t n, void* into) {
  const hn::ScalableTag<T> d;
  constexpr auto width = static_cast<int64_t>(hn::MaxLanes(d));
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(into);
  int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) FoldColumns<combine, 4>(d, in + i, stride, rows, out + i);
  for (; i + width <= n; i += width) FoldColumns<combine, 1>(d, in + i, stride, rows, out + i);
  if (i < n) {
    auto partial = LoadFirst(d, out + i, n - i);
    for (int64_t row = 0; row < rows; ++row) {
      partial = Fold<combine>(d, partial, LoadFirst(d, in + row * stride + i, n - i));
    }
    StoreFirst(d, partial, out + i, n - i);
  }
}

template <class To, class From>
void ConvertAll(const void* from, void* to, int64_t n) {
  // Of bytes the compiler makes vectors, of bools it does not.
  using Read = std::conditional_t<std::is_same_v<From, bool>, uint8_t, From>;
  const Read* in = static_cast<const Read*>(from);
  To* out = static_cast<To*>(to);
  int64_t i = 0;
  if constexpr ((std::is_same_v<From, Half> && std::is_same_v<To, float>) ||
                (std::is_same_v<From, float> && std::is_same_v<To, Half>)) {
    i = ConvertVectors(in, out, n);
  }
  for (; i < n; ++i) out[i] = convert<To>(in[i]);
}

template <class T, class Function>
void RunFunction(const Step& step, const Operand* operands, int64_t n) {
  ForVectors<T, Function::arity>(step, operands, n, Function{});
}

template <class T, Op op>
void MakeFunctions(Kernel (&kernels)[2][3]) {
  if constexpr (std::is_same_v<T, float> && IsFunction(op) && arity(op) == 1) {
    kernels[0][1] = RunFunction<T, ApplyFunction<op, false, After::add>>;
    kernels[0][2] = RunFunction<T, ApplyFunction<op, false, After::mul>>;
    kernels[1][0] = RunFunction<T, ApplyFunction<op, true, After::nothing>>;
    kernels[1][1] = RunFunction<T, ApplyFunction<op, true, After::add>>;
    kernels[1][2] = RunFunction<T, ApplyFunction<op, true, After::mul>>;
  }
}

template <class T, int... ops, int... pairs>
KernelSet MakeKernels(std::integer_sequence<int, ops...>, std::integer_sequence<int, pairs...>) {
  KernelSet set{};
  ((set.op[ops] = arity(static_cast<Op>(ops)) > 0 ? Run<T, static_cast<Op>(ops)> : nullptr), ...);
  (MakeFunctions<T, static_cast<Op>(ops)>(set.function[ops]), ...);
  ((set.pair[pairs / 4][pairs % 4] = RunPair<T, pairs>), ...);
  set.bounded_below = RunFunction<T, ApplyBounded<true>>;
  set.bounded_above = RunFunction<T, ApplyBounded<false>>;
  set.clamped = RunFunction<T, ApplyClamped>;
  set.copy = Copy<T>;
  set.fold_run[static_cast<int>(Combine::sum)] = RunFold<T, Combine::sum>;
  set.fold_run[static_cast<int>(Combine::maximum)] = RunFold<T, Combine::maximum>;
  set.fold_run[static_cast<int>(Combine::minimum)] = RunFold<T, Combine::minimum>;
  set.fold_each[static_cast<int>(Combine::sum)] = RunFoldEach<T, Combine::sum>;
  set.fold_each[static_cast<int>(Combine::maximum)] = RunFoldEach<T, Combine::maximum>;
  set.fold_each[static_cast<int>(Combine::minimum)] = RunFoldEach<T, Combine::minimum>;
  set.fold_rows[static_cast<int>(Combine::sum)] = RunFoldRows<T, Combine::sum>;
  set.fold_rows[static_cast<int>(Combine::maximum)] = RunFoldRows<T, Combine::maximum>;
  set.fold_rows[static_cast<int>(Combine::minimum)] = RunFoldRows<T, Combine::minimum>;
  const Convert load[] = {ConvertAll<T, float>,    ConvertAll<T, double>,  ConvertAll<T, Half>,
                          ConvertAll<T, BFloat16>, ConvertAll<T, int32_t>, ConvertAll<T, bool>};
  const Convert store[] = {ConvertAll<float, T>,    ConvertAll<double, T>,  ConvertAll<Half, T>,
                           ConvertAll<BFloat16, T>, ConvertAll<int32_t, T>, ConvertAll<bool, T>};
  std::copy(std::begin(load), std::end(load), set.load);
  std::copy(std::begin(store), std::end(store), set.store);
  return set;
}

template <class T>
KernelSet MakeKernels() {
  return MakeKernels<T>(std::make_integer_sequence<int, op_count>(), std::make_integer_sequence<int, 12>());
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
