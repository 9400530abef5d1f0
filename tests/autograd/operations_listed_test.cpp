// Whether every differentiable operation that a public header declares has a row in the table of operations.
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "autograd/operations.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

// What gives no gradient, whatever it is given.
const std::set<std::string> without_derivative{
    "operator<", "operator<=", "operator>", "operator>=", "eq", "ne", "lt", "le", "gt", "ge", "logical_and",
    "logical_or", "logical_not", "isnan", "isfinite", "isinf", "any", "all", "argmax", "argmin", "one_hot", "nonzero",
    // Made of no tensor, or of whole numbers.
    "sinusoidal_positions", "alibi_bias", "sequence_mask"};
// Functions of tensors that are no operations.
const std::set<std::string> no_operations{"record",        "gradcheck",       "gradgradcheck", "grad",   "checkpoint",
                                          "differentiate", "clip_grad_norm_", "grad_norm",     "by_fan", "vjp",
                                          "jvp",           "jacobian",        "hessian"};
// Headers of helpers outside the graph.
const std::set<std::string> internal_headers{"by_index.h", "sparse_rows.h", "int8.h", "loss_reduction.h",
                                             "scatter_product.h"};

TEST(Operations, WithoutDerivativeRecordNothing) {
  const Tensor x = any_number({2, 3}).set_requires_grad();
  const Tensor made[] = {
      x<1.0, x <= 1.0, x> 1.0, x >= 1.0,         eq(x, x),       ne(x, x), lt(x, x), le(x, x), gt(x, x),    ge(x, x),
      logical_and(x, x),       logical_or(x, x), logical_not(x), isnan(x), any(x),   all(x),   isfinite(x), isinf(x)};
  for (const Tensor& y : made) {
    EXPECT_FALSE(y.requires_grad());
    EXPECT_EQ(y.dtype(), boolean);
  }
  EXPECT_FALSE(argmax(x).requires_grad());
  EXPECT_FALSE(argmin(x).requires_grad());
  EXPECT_FALSE(nonzero(x).requires_grad());
  EXPECT_FALSE(sort(x).indices.requires_grad());
}

/// The names in `file` that `pattern` captures, line by line.
std::set<std::string> declared(const std::filesystem::path& path, const std::string& pattern) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::set<std::string> found;
  const std::regex function(pattern);
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_search(line, match, function)) found.insert(match[1]);
  }
  return found;
}

TEST(Operations, AllHaveARow) {
  // Functions whose result is made of tensors, in every header of the two layers that declare such.
  const std::string result =
      "^(?:Tensor|std::vector<Tensor>|Sorted|Attended|[A-Z][A-Za-z]*(?:Result|State)) (operator\\S+|\\w+)\\(";
  const std::filesystem::path source = FOVEA_SOURCE_DIR;
  std::set<std::string> all;
  for (const char* layer : {"autograd", "nn"}) {
    for (const auto& entry : std::filesystem::directory_iterator(source / layer)) {
      const std::filesystem::path& header = entry.path();
      if (header.extension() != ".h" || internal_headers.contains(header.filename())) continue;
      all.merge(declared(header, result));
    }
  }
  // Members that make a tensor of this one.
  all.merge(declared(source / "tensor/tensor.h", R"(^  (?:Tensor|std::vector<Tensor>) (\w+)\(.*\) const\b)"));
  all.erase("detach");
  for (const char* one : {"operator-", "flip", "recurrent", "conv2d", "ctc_loss", "entmax15"}) {
    EXPECT_TRUE(all.contains(one)) << one;
  }
  for (const std::string& name : all) {
    EXPECT_TRUE(operations().contains(name) || without_derivative.contains(name) || no_operations.contains(name))
        << name << " has no row";
  }
}

}  // namespace
}  // namespace fovea::test
