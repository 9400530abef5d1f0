#include "half_rounding.h"

#include <gmock/gmock.h>

#include <map>
#include <stdexcept>

#include "fovea/vulkan_shaders.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

struct Counts {
  int conversions = 0;  // to f16, or vectors of it
  int rounded = 0;      // decorations of conversions to round to even
};

Counts counts_of(std::span<const uint32_t> words) {
  Counts counts;
  std::map<uint32_t, bool> is_half;
  for (size_t at = 5; at < words.size(); at += words[at] >> 16) {
    const uint32_t code = words[at] & 0xffff;
    if (code == 22) is_half[words[at + 1]] = words[at + 2] == 16;
    if (code == 23) is_half[words[at + 1]] = is_half[words[at + 2]];
    if (code == 115 && is_half[words[at + 1]]) ++counts.conversions;
    if (code == 71 && words[at + 2] == 39 && words[at + 3] == 0) ++counts.rounded;
  }
  return counts;
}

TEST(HalfRounding, EveryConversionOfTheShadersIsToTheNearestEven) {
  namespace shaders = vulkan::shaders;
  for (const vulkan::ShaderCode* code : {&shaders::matmul, &shaders::softmax, &shaders::layer_norm,
                                         &shaders::convolution, &shaders::attention, &shaders::matmul_cooperative}) {
    const Counts counts = counts_of(code->words);
    EXPECT_GT(counts.conversions, 0) << code->name;
    EXPECT_EQ(counts.rounded, counts.conversions) << code->name;
  }
}

TEST(HalfRounding, RefusesWhatCannotBeDecorated) {
  // %1 = void, %2 = f16, a conversion %4 of %3, which an addition (129) reads.
  const std::vector<uint32_t> module{0x07230203,     0, 0,  6, 0,  //
                                     2u << 16 | 19,  1,            //
                                     3u << 16 | 22,  2, 16,        //
                                     4u << 16 | 115, 2, 4,  3,     //
                                     5u << 16 | 129, 2, 5,  4, 4};
  EXPECT_THROW(spirv::round_halves_to_even(module), std::runtime_error);
}

}  // namespace
}  // namespace fovea::test
