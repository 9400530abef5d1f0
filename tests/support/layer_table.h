#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>

#include "fovea/nn/module.h"
#include "support/expect.h"
#include "support/layouts.h"
#include "support/numbers.h"

// Layers as rows of a table: a row gives a layer its value against a direct computation in double, its derivatives of
// first and second order against finite differences, and the CPU against Vulkan. docs/layers.md lists the rows.
namespace fovea::test {

using Inputs = std::vector<Tensor>;
using Outputs = std::vector<Tensor>;

/// A module's parameters and buffers by name.
class Known {
 public:
  explicit Known(const nn::StateDict& state);
  const Numbers& operator[](const std::string& name) const { return named_.at(name); }
  bool has(const std::string& name) const { return named_.contains(name); }
  /// Those whose names begin with `prefix` and a dot, without it.
  Known under(const std::string& prefix) const;

 private:
  Known() = default;
  std::map<std::string, Numbers> named_;
};

struct LayerRow {
  std::string name;
  std::function<std::unique_ptr<nn::Module>()> make;
  Inputs inputs;  // the floating ones are differentiated
  std::function<Outputs(const nn::Module& module, const Inputs& x)> forward;
  std::function<std::vector<Numbers>(const Known& p, const std::vector<Numbers>& x)> direct;
};

/// How a test's name shows a row.
inline void PrintTo(const LayerRow& row, std::ostream* stream) { *stream << row.name; }

/// How a module is made, over and over: built<nn::Linear>(3, 2).
template <class M, class... Arguments>
std::function<std::unique_ptr<M>()> built(Arguments... arguments) {
  return [=] { return std::make_unique<M>(arguments...); };
}

namespace detail {
inline std::vector<Numbers> as_numbers(Numbers x) { return {std::move(x)}; }
inline std::vector<Numbers> as_numbers(std::vector<Numbers> x) { return x; }
}  // namespace detail

/// forward(const M&, const Inputs&) gives a tensor or several, direct(const Known&, const std::vector<Numbers>&) as many
/// Numbers. A name is the class's, with an underscore and what is special about the row behind it.
template <class M, class Forward, class Direct>
LayerRow row(std::string name, std::function<std::unique_ptr<M>()> make, Inputs inputs, Forward forward,
             Direct direct) {
  return {std::move(name), make, std::move(inputs),
          [forward](const nn::Module& m, const Inputs& x) {
            return detail::as_outputs(forward(static_cast<const M&>(m), x));
          },
          [direct](const Known& p, const std::vector<Numbers>& x) { return detail::as_numbers(direct(p, x)); }};
}
/// The same for a module of one input whose forward takes nothing else.
template <class M, class Direct>
LayerRow row(std::string name, std::function<std::unique_ptr<M>()> make, const Tensor& input, Direct direct) {
  return row<M>(
      std::move(name), std::move(make), Inputs{input}, [](const M& m, const Inputs& x) { return m.forward(x[0]); },
      [direct](const Known& p, const std::vector<Numbers>& x) { return direct(p, x[0]); });
}

class Layer : public ::testing::TestWithParam<LayerRow> {
 protected:
  /// The module with random parameters and buffers, the same at every call.
  std::unique_ptr<nn::Module> made() const;
};

inline std::string row_name(const ::testing::TestParamInfo<LayerRow>& info) { return info.param.name; }

}  // namespace fovea::test
