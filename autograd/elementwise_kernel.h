#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "fovea/tensor/derivative.h"

namespace fovea {

/// A function with what is made of it on demand: derivatives, and variants in which some inputs are numbers.
class ElementwiseKernel {
 public:
  explicit ElementwiseKernel(ElementwiseFunction f, std::vector<bool> scalar_parameters);

  struct DerivedKernel {
    std::shared_ptr<const ElementwiseKernel> kernel;
    std::vector<DerivativeInput> inputs;
    std::vector<int> wanted;
    uint64_t passed = 0;           // inputs whose gradient is an output's own, unchanged...
    std::vector<int> passed_from;  // ... by input: which output's
  };

  /// `outputs_kept`: the outputs are whole (not folded), so that the derivative may read them.
  const DerivedKernel& derivative(uint64_t wanted, bool outputs_kept) const {
    const uint64_t key = wanted << 1 | (outputs_kept ? 1 : 0);
    if (key < fast_.size()) {
      if (const DerivedKernel* found = fast_[key].load(std::memory_order_acquire)) return *found;
    }
    return find_derivative(key);
  }

  /// The function with the parameters of `numbers` read as scalars.
  const std::shared_ptr<const ElementwiseKernel>& with_numbers(uint64_t numbers) const;

  ElementwiseFunction function;
  std::vector<bool> is_scalar;  // by parameter
  bool integer = true;          // may run on integers

 private:
  const DerivedKernel& find_derivative(uint64_t key) const;
  std::unique_ptr<DerivedKernel> make_derivative(uint64_t wanted, bool outputs_kept) const;
  std::shared_ptr<const ElementwiseKernel> make_variant(uint64_t numbers) const;

  mutable std::mutex mutex_;
  mutable std::map<uint64_t, std::unique_ptr<DerivedKernel>> derivatives_;
  mutable std::array<std::atomic<const DerivedKernel*>, 16> fast_{};
  mutable std::map<uint64_t, std::shared_ptr<const ElementwiseKernel>> variants_;
};

}  // namespace fovea
