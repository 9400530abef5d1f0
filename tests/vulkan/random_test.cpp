#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using RandomTest = VulkanTest;

TEST_F(RandomTest, EveryKindAndTypeHasTheCpusBits) {
  using Kind = RandomCall::Kind;
  const std::tuple<Kind, DType> cases[] = {{Kind::uniform, f32}, {Kind::uniform, f16}, {Kind::uniform, bf16},
                                           {Kind::normal, f32},  {Kind::normal, f16},  {Kind::normal, bf16},
                                           {Kind::bits, i32}};
  for (const auto& [kind, dtype] : cases) {
    for (int64_t n : {0, 1, 4, 1023, 50001}) {
      for (uint64_t offset : {uint64_t{0}, uint64_t{0xfffffff0}, uint64_t{1} << 40}) {
        const Array out = make({n}, dtype);
        const Mirror gout(out);
        cpu().random({out, kind, 0x123456789abcdef0, offset});
        gpu().random({gout, kind, 0x123456789abcdef0, offset});
        SCOPED_TRACE(fmt::format("kind {} {} {} {}", static_cast<int>(kind), dtype, n, offset));
        expect_same(gout, out, 0);
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test
