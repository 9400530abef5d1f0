#pragma once

#include <concepts>
#include <span>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

/// A stream of random numbers: Philox 4x32-10 with `seed` as key and a counter that every draw moves on. The same seed
/// and order of calls give the same numbers on every device and with any number of threads.
struct Generator {
  uint64_t seed = 0;
  uint64_t offset = 0;

  /// Claims the counters of `numbers` draws and returns the first.
  uint64_t advance(int64_t numbers) {
    const uint64_t start = offset;
    offset += static_cast<uint64_t>(numbers + 3) / 4;
    return start;
  }
};

/// The calling thread's generator, used where none is given.
Generator& default_generator();
/// Restarts the calling thread's generator.
void manual_seed(uint64_t seed);

// Shapes with a negative size, or more elements than can be counted, throw ShapeError; a value that is no i32 number,
// where i32 is asked for, ValueError.

/// Content undefined.
Tensor empty(const Shape& shape, TensorOptions options = {}, Caller caller = {});
Tensor zeros(const Shape& shape, TensorOptions options = {}, Caller caller = {});
Tensor ones(const Shape& shape, TensorOptions options = {}, Caller caller = {});
Tensor full(const Shape& shape, double value, TensorOptions options = {}, Caller caller = {});
Tensor zeros_like(const Tensor& x, Caller caller = {});
Tensor ones_like(const Tensor& x, Caller caller = {});
Tensor full_like(const Tensor& x, double value, Caller caller = {});

/// 0, 1, ... before end.
Tensor arange(double end, TensorOptions options = {}, Caller caller = {});
/// start, start + step, ... before end.
Tensor arange(double start, double end, double step = 1, TensorOptions options = {}, Caller caller = {});
/// `count` numbers from start to end, both included.
Tensor linspace(double start, double end, int64_t count, TensorOptions options = {}, Caller caller = {});
/// The identity matrix [n, m] (square where m is not given).
Tensor eye(int64_t n, int64_t m = -1, TensorOptions options = {}, Caller caller = {});

/// Uniform in [0, 1).
Tensor rand(const Shape& shape, TensorOptions options = {}, Generator& generator = default_generator(),
            Caller caller = {});
/// Standard normal.
Tensor randn(const Shape& shape, TensorOptions options = {}, Generator& generator = default_generator(),
             Caller caller = {});
Tensor rand_like(const Tensor& x, Generator& generator = default_generator(), Caller caller = {});
Tensor randn_like(const Tensor& x, Generator& generator = default_generator(), Caller caller = {});
/// Element type and place of new integers: `{.device = device}` leaves them i32.
struct IntegerOptions {
  DType dtype = i32;
  Device device = {};
};
/// Integers from low to high - 1.
Tensor randint(int64_t low, int64_t high, const Shape& shape, IntegerOptions options = {},
               Generator& generator = default_generator(), Caller caller = {});
/// The same as another tensor has it: `x.options()`.
template <std::same_as<TensorOptions> Options>
Tensor randint(int64_t low, int64_t high, const Shape& shape, Options options,
               Generator& generator = default_generator(), Caller caller = {}) {
  return randint(low, high, shape, IntegerOptions{options.dtype, options.device}, generator, caller);
}
/// The integers from 0 to n - 1 in random order, i32. Made on the host.
Tensor randperm(int64_t n, Device device = {}, Generator& generator = default_generator(), Caller caller = {});

/// Positions drawn from each row of probabilities [n] or [rows, n], which need not add up to 1: i32 [samples] or [rows,
/// samples], without `replacement` distinct ones. The same on every device, which the host reads. Throws ShapeError,
/// DTypeError, ValueError (a probability that is negative or not finite; fewer positive ones than samples).
Tensor multinomial(const Tensor& probabilities, int64_t samples, bool replacement = false,
                   Generator& generator = default_generator(), Caller caller = {});

/// What host values may be: the elements of some dtype, or int64_t, which becomes i32.
template <class T>
concept HostValue = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, Half> ||
    std::same_as<T, BFloat16> || std::same_as<T, int32_t> || std::same_as<T, int64_t> || std::same_as<T, bool>;

/// Those that a vector holds as they are.
template <class T>
concept VectorValue = HostValue<T> && !std::same_as<T, bool>;

namespace detail {
/// The same under a name of the caller's, for errors.
template <HostValue T>
Tensor from_values(std::span<const T> values, const Shape& shape, Device device, const char* name, Caller caller);
}  // namespace detail

/// The values in row-major order as a tensor of `shape` and T's dtype. Throws ShapeError where their number differs,
/// ValueError where one does not fit i32.
template <HostValue T>
Tensor from_span(std::span<const T> values, const Shape& shape, Device device = {}, Caller caller = {}) {
  return detail::from_values(values, shape, device, "from_span", caller);
}
template <VectorValue T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape, Device device = {}, Caller caller = {}) {
  return detail::from_values(std::span<const T>(values), shape, device, "from_vector", caller);
}
/// A vector as a tensor of rank 1.
template <VectorValue T>
Tensor from_vector(const std::vector<T>& values, Device device = {}, Caller caller = {}) {
  const Shape shape{static_cast<int64_t>(values.size())};
  return detail::from_values(std::span<const T>(values), shape, device, "from_vector", caller);
}
namespace detail {
Tensor from_bools(const std::vector<bool>& values, const Shape& shape, Device device, Caller caller);
}
/// Of bools, which a vector packs: a type of its own, so that braces with numbers are not taken for them.
template <std::same_as<std::vector<bool>> Bools>
Tensor from_vector(const Bools& values, const Shape& shape, Device device = {}, Caller caller = {}) {
  return detail::from_bools(values, shape, device, caller);
}
template <std::same_as<std::vector<bool>> Bools>
Tensor from_vector(const Bools& values, Device device = {}, Caller caller = {}) {
  return detail::from_bools(values, {static_cast<int64_t>(values.size())}, device, caller);
}
/// Values as they are written: `from_vector({1, 0, 1}, {3, 1})` is i32, `from_vector({1.F, 2.F})` f32.
template <HostValue T>
Tensor from_vector(std::initializer_list<T> values, const Shape& shape, Device device = {}, Caller caller = {}) {
  return detail::from_values(std::span<const T>(values.begin(), values.size()), shape, device, "from_vector", caller);
}
template <HostValue T>
Tensor from_vector(std::initializer_list<T> values, Device device = {}, Caller caller = {}) {
  return from_vector(values, Shape{static_cast<int64_t>(values.size())}, device, caller);
}
/// `tensor({1, 2, 3})`: f32 of rank 1.
Tensor tensor(std::initializer_list<double> values, TensorOptions options = {}, Caller caller = {});
/// A scalar (rank 0).
Tensor scalar(double value, TensorOptions options = {}, Caller caller = {});

}  // namespace fovea
