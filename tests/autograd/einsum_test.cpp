#include "fovea/autograd/einsum.h"

#include <map>

#include "fovea/autograd/matmul.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

/// By the definition: letters run over all their values, each product of elements is added where the result's letters
/// say. `terms` and `result` have a letter for each axis.
Tensor naive_einsum(const std::vector<std::string>& terms, const std::string& result,
                    const std::vector<Tensor>& operands) {
  std::map<char, int64_t> sizes;
  for (size_t i = 0; i < terms.size(); ++i) {
    for (size_t k = 0; k < terms[i].size(); ++k) {
      const int64_t size = operands[i].shape()[static_cast<int>(k)];
      const auto [at, added] = sizes.emplace(terms[i][k], size);
      if (!added && at->second == 1) at->second = size;
    }
  }
  Shape shape;
  for (char letter : result) shape.push_back(sizes[letter]);
  std::vector<std::vector<double>> values;
  for (const Tensor& x : operands) values.push_back(x.to_vector<double>());
  std::vector<double> out(static_cast<size_t>(shape.numel()));
  int64_t total = 1;
  for (const auto& [letter, size] : sizes) total *= size;
  for (int64_t step = 0; step < total; ++step) {
    std::map<char, int64_t> at;
    int64_t rest = step;
    for (const auto& [letter, size] : sizes) {
      at[letter] = rest % size;
      rest /= size;
    }
    const auto flat = [&](const std::string& letters, const Shape& of) {
      int64_t position = 0;
      for (int k = 0; k < of.rank(); ++k) {
        position = position * of[k] + (of[k] == 1 ? 0 : at[letters[static_cast<size_t>(k)]]);
      }
      return static_cast<size_t>(position);
    };
    double product = 1;
    for (size_t i = 0; i < terms.size(); ++i) product *= values[i][flat(terms[i], operands[i].shape())];
    out[flat(result, shape)] += product;
  }
  return from_vector(out, shape);
}

struct EinsumCase {
  std::string equation;
  std::vector<Shape> shapes;
  std::vector<std::string> terms;  // a letter for each axis, also for those of "..."
  std::string result;
};

const std::vector<EinsumCase>& einsum_cases() {
  static const std::vector<EinsumCase> list{
      // one operand
      {"i->i", {{5}}, {"i"}, "i"},
      {"ij->ji", {{2, 3}}, {"ij"}, "ji"},
      {"ij->", {{2, 3}}, {"ij"}, ""},
      {"ba", {{2, 3}}, {"ba"}, "ab"},
      {"bA", {{2, 3}}, {"bA"}, "Ab"},
      {"ii", {{3, 3}}, {"ii"}, ""},
      {"ii->i", {{3, 3}}, {"ii"}, "i"},
      {"ijij->ji", {{2, 3, 2, 3}}, {"ijij"}, "ji"},
      {"iii->i", {{3, 3, 3}}, {"iii"}, "i"},
      {"...ij->...ji", {{2, 1, 3, 4}}, {"yxij"}, "yxji"},
      {"i...->i", {{2, 3, 4}}, {"iyx"}, "i"},
      {"i...i->...", {{2, 3, 2}}, {"ixi"}, "x"},
      {"->", {{}}, {""}, ""},
      {"...", {{2, 3}}, {"yx"}, "yx"},
      // two
      {"i,i", {{7}, {7}}, {"i", "i"}, ""},
      {"i,j->ij", {{3}, {4}}, {"i", "j"}, "ij"},
      {"i,j->ji", {{3}, {4}}, {"i", "j"}, "ji"},
      {",ij->ij", {{}, {2, 3}}, {"", "ij"}, "ij"},
      {"ij,jk", {{2, 3}, {3, 4}}, {"ij", "jk"}, "ik"},
      {"ij , jk -> ki", {{2, 3}, {3, 4}}, {"ij", "jk"}, "ki"},
      {"ij,j", {{2, 3}, {3}}, {"ij", "j"}, "i"},
      {"ij,ij->ij", {{2, 3}, {2, 3}}, {"ij", "ij"}, "ij"},
      {"ij,ji->", {{2, 3}, {3, 2}}, {"ij", "ji"}, ""},
      {"bhqd,bhkd->bhqk", {{2, 2, 3, 5}, {2, 2, 4, 5}}, {"bhqd", "bhkd"}, "bhqk"},
      {"bqhd,bkhd->bhqk", {{2, 3, 2, 5}, {2, 4, 2, 5}}, {"bqhd", "bkhd"}, "bhqk"},
      {"bij,jik->kb", {{2, 3, 4}, {4, 3, 5}}, {"bij", "jik"}, "kb"},
      {"abc,cd->", {{2, 3, 4}, {4, 5}}, {"abc", "cd"}, ""},
      {"abcdefgh,abcdefgh->abcdefg",
       {{1, 2, 1, 2, 1, 2, 1, 3}, {1, 2, 1, 2, 1, 2, 1, 3}},
       {"abcdefgh", "abcdefgh"},
       "abcdefg"},
      {"abcdefgi,abcdefgi->abcdefg",
       {{2, 2, 1, 2, 1, 2, 1, 3}, {2, 2, 1, 2, 1, 2, 1, 3}},
       {"abcdefgi", "abcdefgi"},
       "abcdefg"},
      {"abcdefi,abcdefi->abcdef", {{2, 2, 1, 2, 1, 2, 3}, {2, 2, 1, 2, 1, 2, 3}}, {"abcdefi", "abcdefi"}, "abcdef"},
      {"abcdefgi,abcdefi->abcdefg",
       {{2, 1, 1, 2, 1, 2, 2, 3}, {2, 1, 1, 2, 1, 2, 3}},
       {"abcdefgi", "abcdefi"},
       "abcdefg"},
      {"iij,jkk->ik", {{2, 2, 3}, {3, 2, 2}}, {"iij", "jkk"}, "ik"},
      // sizes of 1 are repeated, also where their letter is summed
      {"ij,jk->ik", {{2, 1}, {3, 4}}, {"ij", "jk"}, "ik"},
      {"ij,ij->ij", {{1, 3}, {2, 1}}, {"ij", "ij"}, "ij"},
      {"i,i->", {{1}, {4}}, {"i", "i"}, ""},
      {"...i,...i->...", {{2, 1, 5}, {3, 5}}, {"yxi", "xi"}, "yx"},
      {"...ij,jk", {{2, 3, 4, 5}, {5, 2}}, {"yxij", "jk"}, "yxik"},
      {"i...,...->...i", {{3, 2}, {4, 1}}, {"ix", "yx"}, "yxi"},
      // sizes of 0
      {"ij,jk->ik", {{2, 0}, {0, 3}}, {"ij", "jk"}, "ik"},
      {"ij,jk->ik", {{0, 2}, {2, 3}}, {"ij", "jk"}, "ik"},
      {"bi,bi->b", {{2, 0}, {2, 0}}, {"bi", "bi"}, "b"},
      {"i,i->i", {{0}, {1}}, {"i", "i"}, "i"},
      // more
      {"ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}, {"ij", "jk", "kl"}, "il"},
      {"bi,bj,bij->b", {{2, 3}, {2, 4}, {2, 3, 4}}, {"bi", "bj", "bij"}, "b"},
      {"i,i,i->i", {{1}, {1}, {5}}, {"i", "i", "i"}, "i"},
      {"i,j,k,ijk->", {{2}, {3}, {4}, {2, 3, 4}}, {"i", "j", "k", "ijk"}, ""},
      {"...a,ab,...b->...", {{2, 3}, {3, 4}, {2, 4}}, {"xa", "ab", "xb"}, "x"},
  };
  return list;
}

std::vector<Tensor> operands_of(const EinsumCase& c, TensorOptions options) {
  std::vector<Tensor> operands;
  for (const Shape& shape : c.shapes) operands.push_back(random(shape, options, operands.size() + 1));
  return operands;
}

TEST_P(OnEveryDevice, EinsumFollowsItsDefinition) {
  for (const EinsumCase& c : einsum_cases()) {
    const std::vector<Tensor> operands = operands_of(c, options());
    const Tensor want = naive_einsum(c.terms, c.result, operands).to(f32).to(device());
    EXPECT_CLOSE(einsum(c.equation, operands), want, 1e-4, 1e-5) << c.equation;
    if (operands.back().rank() == max_rank) continue;  // layouts take one axis more
    for (const LaidOut& layout : layouts_of(operands.back())) {
      std::vector<Tensor> relaid = operands;
      relaid.back() = layout.tensor;
      EXPECT_CLOSE(einsum(c.equation, relaid), want, 1e-4, 1e-5) << c.equation << ' ' << layout.name;
    }
  }
}

TEST(Einsum, GradientsHold) {
  for (const EinsumCase& c : einsum_cases()) {
    EXPECT_TRUE(gradients_hold([&](const std::vector<Tensor>& x) { return std::vector<Tensor>{einsum(c.equation, x)}; },
                               operands_of(c, {f64, {}})))
        << c.equation;
  }
}

TEST(Einsum, IsTheMatmulThatItStandsFor) {
  const Tensor q = random({2, 3, 5, 8}), k = random({2, 3, 7, 8}, {}, 2);
  EXPECT_CLOSE(einsum("bhqd,bhkd->bhqk", {q, k}), matmul(q, k.mT()), 0, 0);
  const Tensor w = random({8, 4}, {}, 3);
  EXPECT_CLOSE(einsum("bhqd,de->bhqe", {q, w}), matmul(q.reshape({30, 8}), w).reshape({2, 3, 5, 4}), 0, 0);
}

TEST(Einsum, OfOneOperandIsAView) {
  Tensor x = zeros({3, 3});
  einsum("ii->i", {x}).fill_(2);
  einsum("ij->ji", {x}).select(0, 1).fill_(5);
  EXPECT_CLOSE(x, {2, 5, 0, 0, 5, 0, 0, 5, 2});
  EXPECT_CLOSE(einsum("ij->j", {ones({2, 3}, {i32})}), full({3}, 2, {i32}));
}

TEST(Einsum, SaysWhatDoesNotFit) {
  const Tensor a = zeros({2, 3}), b = zeros({4, 5});
  EXPECT_ERROR(einsum("ij,jk->ik", {a, b}),
               "einsum: \"ij,jk->ik\": 'j' has size 3 in operand 0 and 4 in operand 1: [2, 3] and [4, 5] (einsum_test");
  EXPECT_ERROR(einsum("...,...", {a, b}), "einsum: \"...,...\": an axis of \"...\" has size 2 in operand 0 and 4 in");
  EXPECT_ERROR(einsum("ii", {a}), "einsum: \"ii\": 'i' has size 2 in operand 0 and 3 in operand 0: [2, 3] and [2, 3]");
  EXPECT_ERROR(einsum("ii", {zeros({3, 1})}), "einsum: \"ii\": 'i' has sizes 3 and 1 in operand 0 of shape [3, 1]");
  EXPECT_ERROR(einsum("ijk", {a}), "einsum: \"ijk\": operand 0 of shape [2, 3] does not have the axes \"ijk\"");
  EXPECT_ERROR(einsum("i,i...jk", {zeros({2}), a}),
               "einsum: \"i,i...jk\": operand 1 of shape [2, 3] does not have the axes \"i...jk\"");
  EXPECT_ERROR(einsum("i", {a}), "einsum: \"i\": operand 0 of shape [2, 3] does not have the axes \"i\"");
  EXPECT_ERROR(einsum("ij,jk", {a}), "einsum: \"ij,jk\" is for 2 operands, given are 1 (einsum_test.cpp:");
  EXPECT_ERROR(einsum("", {}), "einsum: \"\" without operands (einsum_test.cpp:");
  EXPECT_ERROR(einsum("ij->ijk", {a}), "einsum: \"ij->ijk\": 'k' of the result is in no operand (einsum_test.cpp:");
  EXPECT_ERROR(einsum("ij->ii", {a}), "einsum: \"ij->ii\": 'i' stands twice in the result (einsum_test.cpp:");
  EXPECT_ERROR(einsum("i1", {a}),
               "einsum: \"i1\": '1' cannot stand there; letters, \"...\", ',' and \"->\" can (einsum_test.cpp:");
  EXPECT_ERROR(einsum("i..j", {a}), "einsum: \"i..j\": '.' cannot stand there");
  EXPECT_ERROR(einsum("......", {a}), "einsum: \"......\": '.' cannot stand there");
  EXPECT_ERROR(einsum("ij->i->", {a}), "einsum: \"ij->i->\": '-' cannot stand there");
  EXPECT_ERROR(einsum("ij,ij", {a, a.to(f64)}), "einsum: dtypes differ: f32 and f64; convert one with .to()");
  EXPECT_ERROR(einsum("ij,ij", {a.to(i32), a.to(i32)}), "einsum: needs a floating dtype, not i32; convert with");
  const Tensor wide = zeros({1, 1, 1, 1, 1});
  EXPECT_ERROR(einsum("abcde,fghij,abcde,fghij->", {wide, wide, wide, wide}),
               "einsum: a product of [1, 1, 1, 1, 1] and [1, 1, 1, 1, 1] would have 10 axes, more than 8 (einsum_test");
}

}  // namespace
}  // namespace fovea::test
