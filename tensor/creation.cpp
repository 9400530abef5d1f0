#include "fovea/tensor/creation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/backends/recording.h"
#include "fovea/tensor/expr.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

/// Throws ValueError where the dtype is i32 and the value is none: a cast would change it without a word.
void check_value(double value, DType dtype, const char* name, Caller caller) {
  if (dtype != i32 || is_i32(value)) return;
  raise<ValueError>(caller, "{}: {} is no i32 number", name, value);
}

Tensor filled(const Shape& shape, double value, TensorOptions options, const char* name, Caller caller) {
  const ErrorScope scope(caller);  // of what the device may refuse
  raw::check_shape(shape, name, caller);
  raw::check_dtype(options, name, caller);
  check_recorded_device(name, backend(options.device, caller), caller);
  check_value(value, options.dtype, name, caller);
  Tensor out = raw::empty(shape, options);
  out.fill_(options.dtype == boolean ? value != 0 : value);
  return out;
}

Tensor like(const Tensor& x, double value, const char* name, Caller caller) {
  raw::check_defined(name, x, caller);
  return filled(x.shape(), value, x.options(), name, caller);
}

Tensor random(const Shape& shape, TensorOptions options, RandomCall::Kind kind, Generator& generator, const char* name,
              Caller caller) {
  const ErrorScope scope(caller);
  raw::check_shape(shape, name, caller);
  raw::check_dtype(options, name, caller);
  check_recorded_device(name, backend(options.device, caller), caller);
  Tensor out = raw::empty(shape, options);
  out.backend().random({out.view(), kind, generator.seed, generator.advance(out.numel())});
  return out;
}

/// low + (bits * range >> 32), with bits as a number without a sign. i32 arithmetic wraps, so the product of 32 by 32 bits is
/// made of products of their halves; the scalars are the range's upper and lower half and low.
const Program& scaled_bits() {
  struct Halves {
    Expr upper, lower;

    explicit Halves(Expr x) : upper(floor(x / 65536)), lower(x - upper * 65536) {
      const Expr below = lower < 0;  // i32 division drops what is behind the point
      upper = upper - below;
      lower = lower + below * 65536;
      upper = upper + (upper < 0) * 65536;
    }
  };
  static const ElementwiseFunction scaled = [] {
    ElementwiseFunction f;
    f.name = "randint";
    {
      const ExprGraph::Building building(f.graph);
      const Halves word(f.graph.input(f.inputs++));
      const Expr upper = f.graph.scalar(f.scalars++), lower = f.graph.scalar(f.scalars++);
      const Expr low = f.graph.scalar(f.scalars++);
      const Halves least(word.lower * lower), one(word.lower * upper), other(word.upper * lower);
      const Expr middle = least.upper + one.lower + other.lower;
      f.outputs = {low + word.upper * upper + one.upper + other.upper + (middle >= 65536) + (middle >= 131072)};
    }
    f.compile();
    return f;
  }();
  return scaled.program;
}

/// Values made on the host, in f64, as a tensor of any dtype.
Tensor from_host(const std::vector<double>& values, const Shape& shape, TensorOptions options, const char* name,
                 Caller caller) {
  const ErrorScope scope(caller);
  raw::check_dtype(options, name, caller);
  check_recorded_device(name, backend(options.device, caller), caller);
  for (const double value : values) check_value(value, options.dtype, name, caller);
  return raw::from_host(values, shape, options);
}

/// to[i] = value(i) for i in [begin, end), which Index holds.
template <class Index, class T, class F>
void fill_range(T* to, int64_t begin, int64_t end, F value) {
  constexpr int step = 256;  // known to the compiler, which makes vectors of such loops
  const auto converted = [&value](Index i) -> T {
    const auto x = value(i);
    if constexpr (sizeof(T) == 2) {
      return T(static_cast<float>(x));
    } else if constexpr (sizeof(T) == 1) {
      return x != 0;
    } else {
      return static_cast<T>(x);
    }
  };
  T piece[step];
  int64_t first = begin;
  for (; end - first >= step; first += step) {
    const auto base = static_cast<Index>(first);
    for (int j = 0; j < step; ++j) piece[j] = converted(base + static_cast<Index>(j));
    std::copy_n(piece, step, to + first);
  }
  // One by one, since a value behind the last need not fit T.
  for (; first < end; ++first) to[first] = converted(static_cast<Index>(first));
}

/// [count] of any dtype, made on the host: value(i) for i below `half`, else rest(i). With `checked` they are known to fit.
template <class Index, class F, class G>
Tensor sequence(int64_t count, int64_t half, bool checked, TensorOptions options, const char* name, Caller caller,
                F value, G rest) {
  const ErrorScope scope(caller);
  raw::check_dtype(options, name, caller);
  check_recorded_device(name, backend(options.device, caller), caller);
  if (options.dtype == i32 && !checked) {
    for (int64_t i = 0; i < count; ++i)
      check_value(i < half ? value(static_cast<Index>(i)) : rest(static_cast<Index>(i)), i32, name, caller);
  }
  const auto of_type = [&]<class T>(T) {
    Tensor out = raw::empty({count}, options);
    // What a captured step is made of is noted as it is handed over.
    std::byte* host = is_recording() ? nullptr : out.buffer()->host();
    auto staged = with_host_memory(name, [&] { return std::vector<T>(host ? 0 : static_cast<size_t>(count)); });
    T* to = host ? reinterpret_cast<T*>(host) : staged.data();
    fill_range<Index>(to, 0, half, value);
    fill_range<Index>(to, half, count, rest);
    if (!staged.empty()) out.backend().write(*out.buffer(), 0, staged.data(), staged.size() * sizeof(T));
    return out;
  };
  switch (options.dtype) {
    case DType::f64:
      return of_type(double{});
    case DType::f16:
      return of_type(Half{});
    case DType::bf16:
      return of_type(BFloat16{});
    case DType::i32:
      return of_type(int32_t{});
    case DType::boolean:
      return of_type(uint8_t{});
    default:
      return of_type(float{});
  }
}

}  // namespace

Generator& default_generator() {
  thread_local Generator generator;
  return generator;
}

void manual_seed(uint64_t seed) { default_generator() = {seed, 0}; }

Tensor empty(const Shape& shape, TensorOptions options, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_shape(shape, "empty", caller);
  raw::check_dtype(options, "empty", caller);
  return raw::empty(shape, options);
}
Tensor zeros(const Shape& shape, TensorOptions options, Caller caller) {
  return filled(shape, 0, options, "zeros", caller);
}
Tensor ones(const Shape& shape, TensorOptions options, Caller caller) {
  return filled(shape, 1, options, "ones", caller);
}
Tensor full(const Shape& shape, double value, TensorOptions options, Caller caller) {
  return filled(shape, value, options, "full", caller);
}

Tensor zeros_like(const Tensor& x, Caller caller) { return like(x, 0, "zeros_like", caller); }
Tensor ones_like(const Tensor& x, Caller caller) { return like(x, 1, "ones_like", caller); }
Tensor full_like(const Tensor& x, double value, Caller caller) { return like(x, value, "full_like", caller); }

Tensor arange(double end, TensorOptions options, Caller caller) { return arange(0, end, 1, options, caller); }

Tensor arange(double start, double end, double step, TensorOptions options, Caller caller) {
  const double count = std::ceil((end - start) / step);
  if (!std::isfinite(count)) raise<ValueError>(caller, "arange: from {} to {} by {} never ends", start, end, step);
  if (count >= 0x1p62) raise<ShapeError>(caller, "arange: from {} to {} by {} are too many", start, end, step);
  const Shape shape{static_cast<int64_t>(std::max(count, 0.0))};
  raw::check_shape(shape, "arange", caller);
  const auto value = [=](double i) { return start + i * step; };
  // Between whole numbers in whole steps all are whole, and i32 adds them up in half the time; modulo 2^32, since a product
  // alone may not fit.
  if (is_i32(start) && is_i32(step) && is_i32(value(static_cast<double>(shape[0])))) {
    const auto first = static_cast<uint32_t>(static_cast<int32_t>(start));
    const auto by = static_cast<uint32_t>(static_cast<int32_t>(step));
    const auto whole = [=](uint32_t i) { return static_cast<int32_t>(first + i * by); };
    return sequence<uint32_t>(shape[0], shape[0], true, options, "arange", caller, whole, whole);
  }
  return sequence<double>(shape[0], shape[0], false, options, "arange", caller, value, value);
}

Tensor linspace(double start, double end, int64_t count, TensorOptions options, Caller caller) {
  if (count < 0) raise<ValueError>(caller, "linspace: count {} is negative", count);
  raw::check_shape({count}, "linspace", caller);
  const auto last = static_cast<double>(count - 1);
  const double step = count > 1 ? (end - start) / last : 0;
  // From the nearer end, so that both ends are exact.
  return sequence<double>(
      count, (count + 1) / 2, false, options, "linspace", caller, [=](double i) { return start + step * i; },
      [=](double i) { return end - step * (last - i); });
}

Tensor eye(int64_t n, int64_t m, TensorOptions options, Caller caller) {
  if (m < 0) m = n;
  if (n < 0) raise<ValueError>(caller, "eye: size {} is negative", n);
  Tensor out = filled({n, m}, 0, options, "eye", caller);
  raw::window(out, {std::min(n, m)}, {m + 1}, 0).fill_(1, caller);
  return out;
}

Tensor rand(const Shape& shape, TensorOptions options, Generator& generator, Caller caller) {
  return random(shape, options, RandomCall::Kind::uniform, generator, "rand", caller);
}

Tensor randn(const Shape& shape, TensorOptions options, Generator& generator, Caller caller) {
  return random(shape, options, RandomCall::Kind::normal, generator, "randn", caller);
}

Tensor rand_like(const Tensor& x, Generator& generator, Caller caller) {
  raw::check_floating("rand_like", x, caller);
  return random(x.shape(), x.options(), RandomCall::Kind::uniform, generator, "rand_like", caller);
}

Tensor randn_like(const Tensor& x, Generator& generator, Caller caller) {
  raw::check_floating("randn_like", x, caller);
  return random(x.shape(), x.options(), RandomCall::Kind::normal, generator, "randn_like", caller);
}

Tensor randint(int64_t low, int64_t high, const Shape& shape, IntegerOptions options, Generator& generator,
               Caller caller) {
  if (low >= high) raise<ValueError>(caller, "randint: no integer from {} to {} - 1", low, high);
  if (low < INT32_MIN || high - 1 > INT32_MAX) {
    raise<ValueError>(caller, "randint: {} to {} does not fit i32", low, high - 1);
  }
  raw::check_dtype({options.dtype, options.device}, "randint", caller);
  const Tensor bits = random(shape, {i32, options.device}, RandomCall::Kind::bits, generator, "randint", caller);
  const Tensor out = options.dtype == i32 ? bits : raw::empty(shape, {options.dtype, options.device});
  const auto range = static_cast<uint64_t>(high - low);
  if (options.dtype == i32 && bits.buffer()->host() && !is_recording()) {  // no program multiplies in 64 bits
    auto* words = bits.view().data<int32_t>();
    for (int64_t i = 0; i < bits.numel(); ++i) {
      const uint64_t place = static_cast<uint64_t>(static_cast<uint32_t>(words[i])) * range >> 32;
      words[i] = static_cast<int32_t>(low + static_cast<int64_t>(place));
    }
    return bits;
  }
  const double numbers[] = {static_cast<double>(range >> 16), static_cast<double>(range & 0xffff),
                            static_cast<double>(low)};
  raw::map(scaled_bits(), i32, shape, {&bits}, {&out}, numbers);
  return out;
}

Tensor randperm(int64_t n, Device device, Generator& generator, Caller caller) {
  const ErrorScope scope(caller);
  if (n < 0) raise<ValueError>(caller, "randperm: count {} is negative", n);
  if (n > int64_t{INT32_MAX} + 1) raise<ValueError>(caller, "randperm: {} numbers do not fit i32", n);
  refuse_while_recording("randperm", caller);
  Tensor words = random({n}, {i32}, RandomCall::Kind::bits, generator, "randperm", caller);
  if (!words.buffer()->host()) words = raw::to_device(words, Device::cpu());
  const auto* bits = words.view().data<int32_t>();
  const Tensor out = raw::empty({n}, {i32, Device::cpu()});
  auto* order = out.view().data<int32_t>();
  std::iota(order, order + n, 0);
  for (int64_t i = n; i > 1; --i) {
    const uint64_t pick = static_cast<uint64_t>(static_cast<uint32_t>(bits[i - 1])) * static_cast<uint64_t>(i) >> 32;
    std::swap(order[i - 1], order[pick]);
  }
  return device == Device::cpu() ? out : raw::to_device(out, device);
}

namespace {

/// Positions of a row, whose probabilities become 0 where they are drawn without replacement.
void draw(std::span<double> row, std::span<const double> uniforms, bool replacement, std::vector<int32_t>& drawn,
          Caller caller) {
  double left = 0;
  int64_t positive = 0;
  std::vector<double> sums(row.size());  // of each one and those in front of it
  for (size_t i = 0; i < row.size(); ++i) {
    const double p = row[i];
    if (!(p >= 0 && std::isfinite(p))) raise<ValueError>(caller, "multinomial: {} is no probability", p);
    sums[i] = left += p;
    positive += p > 0;
  }
  if (positive < (replacement ? 1 : std::ssize(uniforms)) && !uniforms.empty()) {
    raise<ValueError>(caller, "multinomial: {} samples of {} positive probabilities", uniforms.size(), positive);
  }
  if (replacement) {
    // The first whose sum goes beyond the share that was drawn; none that is 0 does.
    const auto last = std::lower_bound(sums.begin(), sums.end(), left);
    for (const double uniform : uniforms) {
      drawn.push_back(static_cast<int32_t>(std::upper_bound(sums.begin(), last, uniform * left) - sums.begin()));
    }
    return;
  }
  for (const double uniform : uniforms) {
    double rest = uniform * left;
    size_t taken = 0;
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i] == 0) continue;
      taken = i;  // the last positive one where rounding leaves some of the rest
      if ((rest -= row[i]) < 0) break;
    }
    drawn.push_back(static_cast<int32_t>(taken));
    row[taken] = 0;
    left = std::accumulate(row.begin(), row.end(), 0.0);
  }
}

}  // namespace

Tensor multinomial(const Tensor& probabilities, int64_t samples, bool replacement, Generator& generator,
                   Caller caller) {
  raw::check_floating("multinomial", probabilities, caller);
  refuse_while_recording("multinomial", caller);
  Shape shape = probabilities.shape();
  if (shape.rank() != 1 && shape.rank() != 2) {
    raise<ShapeError>(caller, "multinomial: probabilities {} are neither [n] nor [rows, n]", shape);
  }
  if (samples < 0) raise<ValueError>(caller, "multinomial: {} samples", samples);
  const auto n = static_cast<size_t>(shape.back()), each = static_cast<size_t>(samples);
  const size_t rows = shape.rank() == 1 ? 1 : static_cast<size_t>(shape[0]);
  shape[shape.rank() - 1] = samples;
  std::vector<double> left = probabilities.to_vector<double>(caller);
  const std::vector<double> uniforms =
      random(shape, {f64}, RandomCall::Kind::uniform, generator, "multinomial", caller).to_vector<double>();
  std::vector<int32_t> drawn;
  with_host_memory("multinomial", [&] { drawn.reserve(rows * each); });
  for (size_t r = 0; r < rows; ++r) {
    draw(std::span(left).subspan(r * n, n), std::span(uniforms).subspan(r * each, each), replacement, drawn, caller);
  }
  return from_vector(drawn, shape, probabilities.device());
}

template <HostValue T>
Tensor detail::from_values(std::span<const T> values, const Shape& shape, Device device, const char* name,
                           Caller caller) {
  if constexpr (std::same_as<T, int64_t>) {
    std::vector<int32_t> narrow;
    narrow.reserve(values.size());
    for (const int64_t value : values) {
      if (value < INT32_MIN || value > INT32_MAX) raise<ValueError>(caller, "{}: {} does not fit i32", name, value);
      narrow.push_back(static_cast<int32_t>(value));
    }
    return from_values(std::span<const int32_t>(narrow), shape, device, name, caller);
  } else {
    const ErrorScope scope(caller);
    raw::check_shape(shape, name, caller);
    raw::check_dtype({dtype_of<T>, device}, name, caller);
    if (static_cast<int64_t>(values.size()) != shape.numel()) {
      raise<ShapeError>(caller, "{}: {} values do not fill {}", name, values.size(), shape);
    }
    Tensor out = raw::empty(shape, {dtype_of<T>, device});
    if (!values.empty()) out.backend().write(*out.buffer(), 0, values.data(), values.size_bytes());
    return out;
  }
}

template Tensor detail::from_values(std::span<const float>, const Shape&, Device, const char*, Caller);
template Tensor detail::from_values(std::span<const double>, const Shape&, Device, const char*, Caller);
template Tensor detail::from_values(std::span<const Half>, const Shape&, Device, const char*, Caller);
template Tensor detail::from_values(std::span<const BFloat16>, const Shape&, Device, const char*, Caller);
template Tensor detail::from_values(std::span<const int32_t>, const Shape&, Device, const char*, Caller);
template Tensor detail::from_values(std::span<const int64_t>, const Shape&, Device, const char*, Caller);
template Tensor detail::from_values(std::span<const bool>, const Shape&, Device, const char*, Caller);

Tensor detail::from_bools(const std::vector<bool>& values, const Shape& shape, Device device, Caller caller) {
  const auto bytes = std::make_unique<bool[]>(values.size());
  std::copy(values.begin(), values.end(), bytes.get());
  return detail::from_values(std::span<const bool>(bytes.get(), values.size()), shape, device, "from_vector", caller);
}

Tensor tensor(std::initializer_list<double> values, TensorOptions options, Caller caller) {
  return from_host(values, {static_cast<int64_t>(values.size())}, options, "tensor", caller);
}

Tensor scalar(double value, TensorOptions options, Caller caller) {
  return filled({}, value, options, "scalar", caller);
}

}  // namespace fovea
