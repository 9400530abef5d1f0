#include "khr_matrices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>

#include "fovea/vulkan_shaders.h"

namespace fovea::spirv {
namespace {

using Words = std::vector<uint32_t>;

struct Instruction {
  uint32_t opcode;
  Words operands;
};

std::vector<Instruction> instructions(std::span<const uint32_t> module) {
  std::vector<Instruction> list;
  for (size_t at = 5; at < module.size(); at += module[at] >> 16) {
    const auto words = module.subspan(at + 1, (module[at] >> 16) - 1);
    list.push_back({module[at] & 0xffff, Words(words.begin(), words.end())});
  }
  return list;
}

Words operands_of_text(const char* text) {
  Words words(std::strlen(text) / 4 + 1, 0);
  std::memcpy(words.data(), text, std::strlen(text));
  return words;
}

/// A module as glslang would write it: one matrix of each use, a load, a product and a store.
struct Module {
  std::vector<Instruction> code{
      {17, {1}},     // capability Shader
      {17, {5357}},  // CooperativeMatrixNV
      {10, operands_of_text("SPV_NV_cooperative_matrix")},
      {5, {20, 0x615f6573}},  // name of a marker
      {71, {20, 1, 240}},     // SpecId of the markers
      {71, {21, 1, 241}},
      {71, {22, 1, 242}},
      {71, {23, 1, 3}},  // and of a constant that stays
      {20, {1}},         // bool
      {21, {2, 32, 0}},  // uint
      {22, {3, 16}},     // half
      {22, {4, 32}},     // float
      {50, {2, 20, 3}},
      {50, {2, 21, 3}},
      {50, {2, 22, 3}},
      {50, {2, 23, 16}},
      {42, {1, 24}},
      {41, {1, 25}},  // false, true
      {5358, {30, 3, 20, 23, 23}},
      {5358, {31, 3, 21, 23, 23}},
      {5358, {32, 4, 22, 23, 23}},
      {5359, {30, 40, 50, 23, 24, 8, 2}},  // loads: memory operands stay
      {5359, {31, 41, 51, 23, 25}},
      {5361, {32, 42, 40, 41, 60}},
      {5360, {52, 42, 23, 24, 16}},
  };

  Words words() const {
    Words module{0x07230203, 0x10500, 0, 100, 0};
    for (const Instruction& i : code) {
      module.push_back(static_cast<uint32_t>(i.operands.size() + 1) << 16 | i.opcode);
      module.insert(module.end(), i.operands.begin(), i.operands.end());
    }
    return module;
  }
};

std::vector<Words> all(const std::vector<Instruction>& code, uint32_t opcode) {
  std::vector<Words> found;
  for (const Instruction& i : code) {
    if (i.opcode == opcode) found.push_back(i.operands);
  }
  return found;
}

/// The value of each constant of a 32-bit type.
std::map<uint32_t, uint32_t> constants(const std::vector<Instruction>& code) {
  std::map<uint32_t, uint32_t> values;
  for (const Words& o : all(code, 43)) values[o[1]] = o[2];
  return values;
}

TEST(KhrMatrices, EveryInstructionTakesTheOtherDialect) {
  const Words module = Module().words();
  EXPECT_TRUE(uses_nv_matrices(module));
  const Words made = to_khr_matrices(module, HalfType::f16);
  EXPECT_FALSE(uses_nv_matrices(made));
  const std::vector<Instruction> code = instructions(made);
  auto value = constants(code);
  EXPECT_EQ(all(code, 17), (std::vector<Words>{{1}, {6022}}));
  EXPECT_EQ(all(code, 10), std::vector<Words>{operands_of_text("SPV_KHR_cooperative_matrix")});

  // Scope, rows, columns, use: the markers are gone, with their names and decorations.
  const std::vector<Words> types = all(code, 4456);
  ASSERT_EQ(types.size(), 3u);
  for (uint32_t use = 0; use < 3; ++use) {
    EXPECT_EQ(types[use][0], 30 + use);
    EXPECT_EQ(types[use][1], use == 2 ? 4u : 3u);
    EXPECT_EQ(value.at(types[use][2]), 3u);
    EXPECT_EQ(types[use][3], 23u);
    EXPECT_EQ(types[use][4], 23u);
    EXPECT_EQ(value.at(types[use][5]), use);
  }
  EXPECT_EQ(all(code, 50), (std::vector<Words>{{2, 23, 16}}));
  EXPECT_EQ(all(code, 71), (std::vector<Words>{{23, 1, 3}}));
  EXPECT_TRUE(all(code, 5).empty());

  // Layout before stride, 1 for columns first; memory operands as they were.
  const std::vector<Words> loads = all(code, 4457), stores = all(code, 4458);
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_EQ(value.at(loads[0][3]), 0u);
  EXPECT_EQ(loads[0], (Words{30, 40, 50, loads[0][3], 23, 8, 2}));
  EXPECT_EQ(value.at(loads[1][3]), 1u);
  EXPECT_EQ(loads[1], (Words{31, 41, 51, loads[1][3], 23}));
  ASSERT_EQ(stores.size(), 1u);
  EXPECT_EQ(value.at(stores[0][2]), 0u);
  EXPECT_EQ(stores[0], (Words{52, 42, stores[0][2], 23, 16}));
  EXPECT_EQ(all(code, 4459), (std::vector<Words>{{32, 42, 40, 41, 60}}));
  for (uint32_t opcode = 5358; opcode <= 5362; ++opcode) EXPECT_TRUE(all(code, opcode).empty());

  // New ids are new and within the bound.
  EXPECT_EQ(made[3], 104u);
  for (const auto& [id, constant] : value) EXPECT_TRUE(id >= 100 && id < 104);
}

TEST(KhrMatrices, FactorsOfBf16HaveTheirOwnType) {
  const Words made = to_khr_matrices(Module().words(), HalfType::bf16);
  const std::vector<Instruction> code = instructions(made);
  EXPECT_EQ(all(code, 17), (std::vector<Words>{{1}, {6022}, {5116}, {5118}}));
  EXPECT_EQ(all(code, 10),
            (std::vector<Words>{operands_of_text("SPV_KHR_cooperative_matrix"), operands_of_text("SPV_KHR_bfloat16")}));
  const std::vector<Words> floats = all(code, 22), types = all(code, 4456);
  ASSERT_EQ(floats.size(), 3u);
  EXPECT_EQ(floats[0], (Words{3, 16}));
  EXPECT_EQ(floats[2], (Words{floats[2][0], 16, 0}));
  EXPECT_EQ(types[0][1], floats[2][0]);
  EXPECT_EQ(types[1][1], floats[2][0]);
  EXPECT_EQ(types[2][1], 4u);
}

TEST(KhrMatrices, WhatCannotBeRewrittenIsRefused) {
  const auto refused = [](const std::function<void(Module&)>& change) {
    Module module;
    change(module);
    EXPECT_THROW(to_khr_matrices(module.words(), HalfType::f16), std::runtime_error);
  };
  refused([](Module& m) { std::erase_if(m.code, [](const Instruction& i) { return i.opcode == 71; }); });
  refused([](Module& m) { std::erase_if(m.code, [](const Instruction& i) { return i.opcode == 41; }); });
  refused([](Module& m) { std::erase_if(m.code, [](const Instruction& i) { return i.opcode == 21; }); });
  refused([](Module& m) { m.code.push_back({52, {2, 70, 5362, 30}}); });
  EXPECT_THROW(to_khr_matrices(Words{1, 2, 3}, HalfType::f16), std::runtime_error);
  Words cut = Module().words();
  cut.pop_back();
  EXPECT_THROW(to_khr_matrices(cut, HalfType::f16), std::runtime_error);
}

TEST(KhrMatrices, TheEmbeddedShadersHoldNothingOfNvidias) {
  for (const auto* shader : {&vulkan::shaders::matmul_cooperative, &vulkan::shaders::matmul_cooperative_bf16}) {
    const bool bf16 = shader == &vulkan::shaders::matmul_cooperative_bf16;
    const std::vector<Instruction> code = instructions(shader->words);
    EXPECT_FALSE(uses_nv_matrices(shader->words));
    for (uint32_t opcode = 5358; opcode <= 5362; ++opcode) EXPECT_TRUE(all(code, opcode).empty());
    auto value = constants(code);
    std::map<uint32_t, uint32_t> uses;
    for (const Words& type : all(code, 4456)) ++uses[value.at(type[5])];
    EXPECT_EQ(uses, (std::map<uint32_t, uint32_t>{{0, 1}, {1, 1}, {2, 1}}));
    EXPECT_GE(all(code, 4457).size(), 4u);  // a and b, either way round
    EXPECT_EQ(all(code, 4458).size(), 1u);
    EXPECT_EQ(all(code, 4459).size(), 1u);
    const std::vector<Words> extensions = all(code, 10);
    EXPECT_EQ(std::count(extensions.begin(), extensions.end(), operands_of_text("SPV_KHR_bfloat16")), bf16 ? 1 : 0);
    EXPECT_EQ(std::count(extensions.begin(), extensions.end(), operands_of_text("SPV_NV_cooperative_matrix")), 0);
  }
}

}  // namespace
}  // namespace fovea::spirv
