#pragma once

#include <map>

#include "fovea/backends/vulkan/choices.h"
#include "fovea/backends/vulkan/matmul_plan.h"

namespace fovea::vulkan {

/// Decides which shader and which tile run a product: by a fixed table for small ones and on software devices, else by
/// measuring once per class of products, each candidate being checked against the plain tile before it is timed. All
/// tiles of a shader give the same bits, so that what is measured changes the time alone.
class MatmulTuner {
 public:
  explicit MatmulTuner(Engine& engine);

  MatmulVariant choose(const MatmulCall& call, const MatmulPlan& plan);
  /// What was decided and why, a line each.
  std::vector<std::string> notes() const;

 private:
  bool cooperative(DType dtype);
  std::string judge(DType dtype, std::string& note);
  bool cooperative_is_faster(DType dtype);
  size_t measured(DType dtype, const MatmulPlan& plan, bool cooperative, const std::vector<size_t>& tiles);
  std::vector<size_t> tiles_for(DType dtype, const MatmulSize& size, bool cooperative) const;
  const char* tile_name(bool cooperative, size_t tile) const;

  Engine& engine_;
  Choices choices_;
  bool busy_ = false;  // while measuring, whose own kernels must not be measured
  std::map<DType, bool> cooperative_;
  std::map<std::string, std::string> notes_;
};

}  // namespace fovea::vulkan
