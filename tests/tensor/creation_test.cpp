#include "fovea/tensor/creation.h"

#include <numeric>

#include "fovea/autograd/capture.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

TEST_P(OnEveryDevice, FillsWithConstants) {
  for (const Shape& shape : test::odd_shapes()) {
    const auto count = static_cast<size_t>(shape.numel());
    EXPECT_CLOSE(zeros(shape, options()), std::vector<double>(count, 0));
    EXPECT_CLOSE(ones(shape, options(i32)), std::vector<double>(count, 1));
    EXPECT_CLOSE(full(shape, -2.5, options(f16)), std::vector<double>(count, -2.5));
    EXPECT_CLOSE(full(shape, 1, options(boolean)), std::vector<double>(count, 1));
    EXPECT_EQ(full(shape, 3, options()).shape(), shape);
    EXPECT_TRUE(empty(shape, options()).is_contiguous());
  }
}

TEST_P(OnEveryDevice, MakesTensorsLikeOthers) {
  const Tensor x = zeros({2, 3}, options(i32)).mT();
  const Tensor y = full_like(x, 7);
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_EQ(y.dtype(), i32);
  EXPECT_EQ(y.device(), device());
  EXPECT_TRUE(y.is_contiguous());
  EXPECT_CLOSE(y, std::vector<double>(6, 7));
  EXPECT_CLOSE(zeros_like(y), std::vector<double>(6, 0));
  EXPECT_CLOSE(ones_like(y), std::vector<double>(6, 1));
}

TEST_P(OnEveryDevice, CountsInSteps) {
  EXPECT_CLOSE(arange(0, 5, 1, options()), {0, 1, 2, 3, 4});
  EXPECT_CLOSE(arange(5, 0, -2, options(i32)), {5, 3, 1});
  EXPECT_CLOSE(arange(0, 1, 0.25, options()), {0, 0.25, 0.5, 0.75});
  EXPECT_EQ(arange(3, 3, 1, options()).shape(), Shape{0});
  EXPECT_EQ(arange(3, 1, 1, options()).shape(), Shape{0});
  EXPECT_EQ(arange(0, 10).dtype(), f32);
  EXPECT_CLOSE(arange(3, options()), {0, 1, 2});
  EXPECT_CLOSE(arange(2.5, options(i32)), tensor({0, 1, 2}, options(i32)));
  EXPECT_EQ(arange(4).shape(), Shape{4});
}

TEST_P(OnEveryDevice, SpacesNumbersBetweenExactEnds) {
  const std::vector<double> made = linspace(-1, 0.3, 14, options()).to_vector<double>();
  EXPECT_EQ(made.front(), -1);
  EXPECT_EQ(made.back(), 0.3f);
  EXPECT_CLOSE(linspace(0, 1, 5, options()), {0, 0.25, 0.5, 0.75, 1});
  EXPECT_CLOSE(linspace(2, 8, 1, options()), {2});
  EXPECT_EQ(linspace(0, 1, 0, options()).shape(), Shape{0});
}

TEST_P(OnEveryDevice, MakesTheIdentity) {
  EXPECT_CLOSE(eye(2, 3, options()), {1, 0, 0, 0, 1, 0});
  EXPECT_EQ(eye(3, -1, options()).shape(), (Shape{3, 3}));
  EXPECT_EQ(eye(0, -1, options()).shape(), (Shape{0, 0}));
}

TEST_P(OnEveryDevice, CountsOverPiecesOfAllSizes) {
  for (int64_t count : {0, 1, 255, 256, 257, 1000}) {
    std::vector<double> steps, parts;
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<double>(i), last = static_cast<double>(count - 1), part = count > 1 ? 7 / last : 0;
      steps.push_back(-3 + at * 2);
      parts.push_back(2 * i < count ? -3 + part * at : 4 - part * (last - at));
    }
    for (const DType dtype : {f32, i32, f16, boolean}) {
      const Tensor counted = arange(-3, -3 + 2 * static_cast<double>(count), 2, options(dtype));
      EXPECT_CLOSE(counted, from_vector(steps).to(dtype).to_vector<double>(), 0, 0);
    }
    // Steps that i32 does not hold all the way to the end of a piece, by way of the greatest number.
    const double far = 2147483647, step = -4294967.0;
    std::vector<double> wide;
    for (double value = far; value > -far && std::ssize(wide) < count; value += step) wide.push_back(value);
    const double end = far + step * static_cast<double>(wide.size());
    EXPECT_CLOSE(arange(far, end, step, options(i32)), wide, 0, 0);
    EXPECT_CLOSE(linspace(-3, 4, count, options()), from_vector(parts).to(f32).to_vector<double>(), 0, 0);
    EXPECT_CLOSE(linspace(-3, 4, count, {.dtype = f64}), parts, 0, 0);
  }
}

TEST_P(OnEveryDevice, IdentityIsOnesWhereRowIsColumn) {
  for (const DType dtype : {f32, i32, f16, boolean}) {
    for (const auto& [n, m] : {std::pair<int64_t, int64_t>{1, 1}, {3, 3}, {2, 5}, {5, 2}, {0, 3}, {3, 0}, {33, 65}}) {
      std::vector<double> want(static_cast<size_t>(n * m), 0.0);
      for (int64_t i = 0; i < std::min(n, m); ++i) want[static_cast<size_t>(i * m + i)] = 1;
      EXPECT_CLOSE(eye(n, m, options(dtype)), want, 0, 0);
    }
  }
}

TEST(Creation, TakesTheElementTypeOfAVector) {
  EXPECT_EQ(from_vector(std::vector<float>{1}).dtype(), f32);
  EXPECT_EQ(from_vector(std::vector<double>{1}).dtype(), f64);
  EXPECT_EQ(from_vector(std::vector<int32_t>{1}).dtype(), i32);
  EXPECT_EQ(from_vector(std::vector<Half>{Half(1.0f)}).dtype(), f16);
  EXPECT_EQ(from_vector(std::vector<BFloat16>{BFloat16(1.0f)}).dtype(), bf16);
  const Tensor flags = from_vector(std::vector<bool>{true, false, true}, {3, 1});
  EXPECT_EQ(flags.dtype(), boolean);
  EXPECT_CLOSE(flags, {1, 0, 1});
  EXPECT_EQ(from_vector(std::vector<float>{}).shape(), Shape{0});
  EXPECT_CLOSE(from_vector(std::vector<int32_t>{1, 2, 3, 4, 5, 6}, {2, 3}).select(0, 1), {4, 5, 6});
}

TEST_P(OnEveryDevice, MakesTensorsWithinCapturedSteps) {
  const Tensor x = randn({3, 4}, options());
  auto step = capture([&](const Tensor& given) {
    const Tensor weights =
        linspace(0, 1, 4, options()) + arange(0, 4, 1, options(i32)).to(f32) + full({4}, 2, options());
    return matmul(given * weights * tensor({1, 0, 1, 1}, options()), eye(4, -1, options()));
  });
  for (int i = 0; i < 4; ++i) {
    EXPECT_CLOSE(step(x * static_cast<double>(i)),
                 x.to(Device::cpu()) * static_cast<double>(i) * tensor({2, 0, 4 + 2.0 / 3, 6}));
  }
  EXPECT_GT(step.stats().replays, 0u);
}

TEST_P(OnEveryDevice, RoundsToItsDtype) {
  for (const DType dtype : {f32, f16, bf16}) {
    EXPECT_CLOSE(tensor({1, 1e-3, -7.1}, options(dtype)), tensor({1, 1e-3, -7.1}).to(dtype).to_vector<double>(), 0, 0);
  }
  EXPECT_CLOSE(tensor({0, 0.5, -3}, options(boolean)), {0, 1, 1});
}

TEST(Creation, TakesWideIntegersThatFit) {
  const Tensor x = from_vector(std::vector<int64_t>{INT32_MIN, 0, INT32_MAX}, {3, 1});
  EXPECT_EQ(x.dtype(), i32);
  EXPECT_EQ(x.to_vector<int64_t>(), (std::vector<int64_t>{INT32_MIN, 0, INT32_MAX}));
  EXPECT_ERROR(from_vector(std::vector<int64_t>{1, 1LL << 31}),
               "from_vector: 2147483648 does not fit i32 (creation_test.cpp:");
  static_assert(!HostValue<uint64_t> && !HostValue<char>, "no link error for what it does not take");
}

TEST(Creation, RefusesWhatIsNoWholeNumberOfItsDtype) {
  EXPECT_ERROR(full({2}, 2.5, {.dtype = i32}), "full: 2.5 is no i32 number (creation_test.cpp:");
  EXPECT_ERROR(full_like(zeros({2}, {.dtype = i32}), 3e9),
               "full_like: 3000000000 is no i32 number (creation_test.cpp:");
  EXPECT_ERROR(tensor({1, 1.5}, {.dtype = i32}), "tensor: 1.5 is no i32 number (creation_test.cpp:");
  EXPECT_ERROR(scalar(NAN, {.dtype = i32}), "scalar: nan is no i32 number (creation_test.cpp:");
  EXPECT_ERROR(arange(0, 1, 0.25, {.dtype = i32}), "arange: 0.25 is no i32 number (creation_test.cpp:");
  EXPECT_CLOSE(full({1}, INT32_MIN, {.dtype = i32}), {INT32_MIN});
  EXPECT_CLOSE(full({2}, 0.5, {.dtype = boolean}), {1, 1});
}

TEST(Creation, NamesTheCallerWhereThereIsNoMemory) {
  try {
    zeros({1LL << 30, 1LL << 28});
    ADD_FAILURE() << "there is memory for an exabyte";
  } catch (const OutOfMemoryError& error) {
    EXPECT_NE(std::string(error.what()).find(" in use, the machine has "), std::string::npos) << error.what();
  }
}

TEST(Creation, MakesScalarsAndLists) {
  EXPECT_EQ(scalar(2.5).shape(), Shape{});
  EXPECT_EQ(scalar(2.5).item(), 2.5);
  EXPECT_EQ(scalar(7, {i32}).item<int32_t>(), 7);
  EXPECT_CLOSE(tensor({1, 2, 3}), {1, 2, 3});
  EXPECT_EQ(tensor({}).shape(), Shape{0});
  EXPECT_EQ(tensor({1, 0}, {boolean}).dtype(), boolean);
}

TEST(Creation, KeepsWholeNumbersOf32Bits) {
  EXPECT_EQ(full({1}, 16777217, {i32}).item<int32_t>(), 16777217);
  EXPECT_EQ(full({1}, -2147483648.0, {i32}).item<int32_t>(), INT32_MIN);
  EXPECT_EQ(tensor({2147483647}, {i32}).item<int32_t>(), INT32_MAX);
}

TEST(Creation, RefusesWhatCannotBe) {
  EXPECT_ERROR(zeros({2, -1}), "zeros: a size of [2, -1] is negative (creation_test.cpp:");
  EXPECT_ERROR(empty({-3}), "empty: a size of [-3] is negative (creation_test.cpp:");
  EXPECT_ERROR(randn({2, -2}), "randn: a size of [2, -2] is negative (creation_test.cpp:");
  EXPECT_ERROR(ones({int64_t{1} << 40, int64_t{1} << 40}),
               "ones: [1099511627776, 1099511627776] has too many elements");
  EXPECT_ERROR(arange(0, 1, 0), "arange: from 0 to 1 by 0 never ends (creation_test.cpp:");
  EXPECT_ERROR(arange(0, INFINITY), "arange: from 0 to inf by 1 never ends (creation_test.cpp:");
  EXPECT_ERROR(linspace(0, 1, -1), "linspace: count -1 is negative (creation_test.cpp:");
  EXPECT_ERROR(eye(-1), "eye: size -1 is negative (creation_test.cpp:");
  EXPECT_ERROR(randint(3, 3, {2}), "randint: no integer from 3 to 3 - 1 (creation_test.cpp:");
  EXPECT_ERROR(randint(0, int64_t{1} << 33, {2}), "randint: 0 to 8589934591 does not fit i32 (creation_test.cpp:");
  try {
    randperm(5, Device::vulkan(99));
    ADD_FAILURE() << "there is a hundredth device";
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("(creation_test.cpp:"), std::string::npos) << error.what();
  }
  EXPECT_ERROR(randperm(-1), "randperm: count -1 is negative (creation_test.cpp:");
  EXPECT_ERROR(randperm((int64_t{1} << 31) + 1), "randperm: 2147483649 numbers do not fit i32 (creation_test.cpp:");
  EXPECT_ERROR(from_vector(std::vector<float>{1, 2, 3}, {2, 2}),
               "from_vector: 3 values do not fill [2, 2] (creation_test.cpp:");
}

TEST_P(OnEveryDevice, RepeatsRandomNumbersForASeed) {
  for (const DType dtype : {f32, f16, bf16}) {
    Generator a{.seed = 42}, b{.seed = 42}, c{.seed = 43};
    const Tensor first = randn({33, 7}, options(dtype), a);
    EXPECT_CLOSE(first, randn({33, 7}, options(dtype), b), 0, 0);
    EXPECT_FALSE(test::close(first, randn({33, 7}, options(dtype), c)));
    EXPECT_FALSE(test::close(first, randn({33, 7}, options(dtype), a))) << "the second draw repeats the first";
    EXPECT_CLOSE(randn({33, 7}, options(dtype), b),
                 randn({33, 7}, {dtype}, *std::make_unique<Generator>(Generator{42, 58})), 1e-6, 1e-6);
  }
}

TEST(Random, DoesNotDependOnTheNumberOfThreads) {
  const int threads = num_threads();
  manual_seed(9);
  const Tensor uniform = rand({100003}), normal = randn({100003});
  set_num_threads(1);
  manual_seed(9);
  EXPECT_CLOSE(rand({100003}), uniform, 0, 0);
  EXPECT_CLOSE(randn({100003}), normal, 0, 0);
  set_num_threads(threads);
}

/// Philox 4x32-10 of Salmon et al. 2011, written from the paper.
std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter) {
  std::array<uint32_t, 4> x{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * x[0], b = uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return x;
}

TEST_P(OnEveryDevice, DrawsPhiloxWords) {
  Generator generator{.seed = 0x123456789abcdefull, .offset = 5};
  const std::vector<double> values = rand({11}, options(), generator).to_vector<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t word = philox(0x123456789abcdefull, 5 + i / 4)[i % 4];
    EXPECT_EQ(values[i], (word >> 8) * 0x1p-24) << "element " << i;
  }
  EXPECT_EQ(generator.offset, 8u) << "11 numbers take 3 counters";
}

TEST_P(OnEveryDevice, DrawsWithTheRightMoments) {
  Generator generator{.seed = 3};
  const std::vector<double> uniform = rand({40000}, options(), generator).to_vector<double>();
  const std::vector<double> normal = randn({40001}, options(), generator).to_vector<double>();
  double mean = 0, second = 0, normal_mean = 0, normal_second = 0;
  for (double u : uniform) {
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    mean += u / 40000;
    second += u * u / 40000;
  }
  for (double z : normal) {
    normal_mean += z / 40001;
    normal_second += z * z / 40001;
  }
  EXPECT_NEAR(mean, 0.5, 0.01);
  EXPECT_NEAR(second, 1.0 / 3, 0.01);
  EXPECT_NEAR(normal_mean, 0, 0.02);
  EXPECT_NEAR(normal_second, 1, 0.03);
}

TEST(Random, DrawsIntegersFromTheWholeRange) {
  std::array<int, 5> seen{};
  for (int32_t value : randint(-2, 3, {5000}).to_vector<int32_t>()) {
    ASSERT_GE(value, -2);
    ASSERT_LT(value, 3);
    ++seen[static_cast<size_t>(value + 2)];
  }
  for (int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST_P(OnEveryDevice, DrawsIntegersFromTheWordsOfTheirCounters) {
  const auto bits = [](uint64_t range, int64_t low) {
    std::vector<int32_t> values;
    for (uint64_t i = 0; i < 4000; ++i) {
      const uint64_t word = philox(11, i / 4)[i % 4];
      values.push_back(static_cast<int32_t>(low + static_cast<int64_t>(word * range >> 32)));
    }
    return values;
  };
  const std::pair<int64_t, int64_t> ranges[] = {{0, 1},
                                                {0, 2},
                                                {-3, 9},
                                                {0, 65536},
                                                {0, 65537},
                                                {-100000, 7654321},
                                                {5, INT32_MAX},
                                                {INT32_MIN, 0},
                                                {INT32_MIN, int64_t{INT32_MAX} + 1},
                                                {-7, int64_t{INT32_MAX} + 1},
                                                {INT32_MIN, 98304}};
  for (const auto& [low, high] : ranges) {
    Generator generator{.seed = 11};
    const Tensor drawn = randint(low, high, {40, 100}, {.device = device()}, generator);
    EXPECT_EQ(drawn.dtype(), i32) << "a device alone leaves the dtype";
    EXPECT_EQ(drawn.to_vector<int32_t>(), bits(static_cast<uint64_t>(high - low), low)) << low << ' ' << high;
    EXPECT_EQ(generator.offset, 1000u);
  }
  Generator a{.seed = 11}, b{.seed = 11}, c{.seed = 11};
  const Tensor floats = randint(-3, 9, {5}, {f32, device()}, a);
  EXPECT_EQ(floats.dtype(), f32);
  EXPECT_EQ(floats.to_vector<int32_t>(), randint(-3, 9, {5}, options(i32), b).to_vector<int32_t>());
  EXPECT_EQ(randint(0, 2, {5}, {boolean, device()}, c).dtype(), boolean);
}

TEST_P(OnEveryDevice, TakesValuesAsTheyAreWritten) {
  EXPECT_EQ(from_vector({1, 0, 1}, {3, 1}, device()).dtype(), i32);
  EXPECT_EQ(from_vector({1, 0, 1}, {3, 1}, device()).to_vector<int32_t>(), (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(from_vector({1, 0, 5}).shape(), Shape{3});
  EXPECT_EQ(from_vector({1.F, 2.F}, {2, 1}, device()).dtype(), f32);
  EXPECT_EQ(from_vector({1.5, 2.0}, {2}).dtype(), f64);
  EXPECT_EQ(from_vector({true, false}, {2}, device()).dtype(), boolean);
  EXPECT_EQ(from_vector<float>({1, NAN}, {2}, device()).dtype(), f32);
  EXPECT_EQ(from_vector(std::vector<bool>{true, false, true}, device()).to_vector<bool>(),
            (std::vector<bool>{true, false, true}));
  EXPECT_EQ(from_vector(std::vector<bool>{true, false}, {2, 1}, device()).shape(), (Shape{2, 1}));
}

TEST_P(OnEveryDevice, DrawsLikeOthers) {
  for (const DType dtype : {f32, f16}) {
    const Tensor x = zeros({3, 50}, options(dtype)).mT();
    Generator a{5, 0}, b{5, 0};
    const Tensor uniform = rand_like(x, a), normal = randn_like(x, a);
    EXPECT_EQ(uniform.dtype(), dtype);
    EXPECT_EQ(uniform.device(), device());
    EXPECT_CLOSE(uniform, rand({50, 3}, options(dtype), b).to_vector<double>(), 0, 0);
    EXPECT_CLOSE(normal, randn({50, 3}, options(dtype), b).to_vector<double>(), 0, 0);
  }
  EXPECT_ERROR(rand_like(zeros({2}, options(i32))), "rand_like: needs a floating dtype, not i32");
}

TEST_P(OnEveryDevice, DrawsPositionsByTheirProbability) {
  Generator generator{7, 0};
  const Tensor p = tensor({0, 3, 1, 0, 0, 0.5, 0, 0.5}, options()).reshape({2, 4});
  const Tensor drawn = multinomial(p, 4000, true, generator);
  EXPECT_EQ(drawn.shape(), (Shape{2, 4000}));
  EXPECT_EQ(drawn.dtype(), i32);
  EXPECT_EQ(drawn.device(), device());
  std::array<std::array<double, 4>, 2> share{};
  const std::vector<int32_t> values = drawn.to_vector<int32_t>();
  for (size_t i = 0; i < values.size(); ++i) share[i / 4000][static_cast<size_t>(values[i])] += 1.0 / 4000;
  const double expected[2][4] = {{0, 0.75, 0.25, 0}, {0, 0.5, 0, 0.5}};
  for (size_t r = 0; r < 2; ++r) {
    for (size_t c = 0; c < 4; ++c) EXPECT_NEAR(share[r][c], expected[r][c], expected[r][c] > 0 ? 0.03 : 0) << r << c;
  }
  // Each place by the sums in front of it, many of them 0.
  std::vector<float> many(997);
  for (size_t i = 0; i < many.size(); ++i) many[i] = i % 3 == 1 ? 0 : static_cast<float>(i % 7);
  Generator same = generator;
  const std::vector<double> uniforms = rand({501}, {.dtype = f64}, same).to_vector<double>();
  const std::vector<int32_t> found =
      multinomial(from_vector(many, device()), 501, true, generator).to_vector<int32_t>();
  const double whole = std::accumulate(many.begin(), many.end(), 0.0);
  for (size_t k = 0; k < found.size(); ++k) {
    size_t at = 0;
    for (double sum = many[0]; sum <= uniforms[k] * whole; sum += many[++at]) {
    }
    ASSERT_EQ(found[k], static_cast<int32_t>(at)) << k;
  }
  // Without replacement: each positive one once, the likely ones first.
  double first = 0;
  for (int run = 0; run < 1000; ++run) {
    std::vector<int32_t> two = multinomial(p.select(0, 0), 2, false, generator).to_vector<int32_t>();
    first += two[0] == 1 ? 1e-3 : 0;
    std::sort(two.begin(), two.end());
    ASSERT_EQ(two, (std::vector<int32_t>{1, 2}));
  }
  EXPECT_NEAR(first, 0.75, 0.06);
}

TEST(Random, DrawsPositionsFromProbabilitiesAlone) {
  EXPECT_ERROR(multinomial(tensor({1, -1}), 1), "multinomial: -1 is no probability (creation_test.cpp:");
  EXPECT_ERROR(multinomial(tensor({1, INFINITY}), 1), "multinomial: inf is no probability (creation_test.cpp:");
  EXPECT_ERROR(multinomial(tensor({0, 0}), 1, true), "multinomial: 1 samples of 0 positive probabilities (creation");
  EXPECT_ERROR(multinomial(tensor({0, 2, 1}), 3), "multinomial: 3 samples of 2 positive probabilities (creation");
  EXPECT_ERROR(multinomial(scalar(1), 1), "multinomial: probabilities [] are neither [n] nor [rows, n] (creation");
  EXPECT_EQ(multinomial(tensor({0, 0}), 0).shape(), Shape{0});
}

TEST(Random, PermutesEveryNumberOnce) {
  std::vector<int32_t> order = randperm(1000).to_vector<int32_t>();
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (int32_t i = 0; i < 1000; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
  EXPECT_EQ(randperm(0).shape(), Shape{0});
}

}  // namespace
}  // namespace fovea
