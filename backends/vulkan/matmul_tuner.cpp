#include "fovea/backends/vulkan/matmul_tuner.h"

#include <algorithm>

#include "fovea/backends/fnv.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/measure.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {
namespace {

// Below, the choice of a tile is worth less than the time to make it.
constexpr double least_work = 2e8;

/// A product on random numbers of its own, of a given size and layout.
class Trial {
 public:
  Trial(Engine& engine, DType dtype, const MatmulSize& size, bool a_along_k, bool b_along_n, bool biased = false)
      : engine_(engine) {
    a_ = operand(a_memory_, dtype, size.batch, size.m, size.k, a_along_k, 1);
    b_ = operand(b_memory_, dtype, size.batch, size.k, size.n, b_along_n, 2);
    out_ = {nullptr, 0, dtype, {size.batch, size.m, size.n}, contiguous_strides({size.batch, size.m, size.n})};
    if (biased) {
      bias_ = engine.scratch(bias_memory_, dtype, {size.n});
      random(engine_, {bias_, RandomCall::Kind::uniform, 3, 0});
    }
  }

  /// What an output looks like.
  const View& like() const { return out_; }
  Candidate candidate(const char* name, MatmulVariant variant) const {
    return {name, [this, variant](const View& out) {
              const bool biased = bias_.buffer != nullptr;
              const MatmulCall call{a_, b_, out, biased ? &bias_ : nullptr};
              MatmulPlan plan = plan_of(call);
              cut(engine_, plan);
              launch_matmul(engine_, call, plan, variant);
            }};
  }

 private:
  View operand(BufferRef& memory, DType dtype, int64_t batch, int64_t rows, int64_t columns, bool wide, uint64_t seed) {
    View view = engine_.scratch(memory, dtype, {batch, wide ? rows : columns, wide ? columns : rows});
    random(engine_, {view, RandomCall::Kind::uniform, seed, 0});
    if (!wide) {
      std::swap(view.shape[1], view.shape[2]);
      std::swap(view.strides[1], view.strides[2]);
    }
    return view;
  }

  static MatmulPlan plan_of(const MatmulCall& call) {
    const View &a = call.a, &b = call.b, &out = call.out;
    MatmulPlan plan{.m = out.shape[1],
                    .n = out.shape[2],
                    .k = a.shape[2],
                    .a = {address_of(a), a.strides[1], a.strides[2]},
                    .b = {address_of(b), b.strides[1], b.strides[2]},
                    .out = {address_of(out), out.strides[1], out.strides[2]}};
    plan.batch[1] = out.shape[0];
    plan.a_step[1] = a.strides[0];
    plan.b_step[1] = b.strides[0];
    plan.out_step[1] = out.strides[0];
    plan.bias = call.bias;
    return plan;
  }

  Engine& engine_;
  BufferRef a_memory_, b_memory_, bias_memory_;
  View a_, b_, out_, bias_;
};

/// What a candidate may differ in from the plain tile: order of summation in f32, two units of the last place of the
/// type that is stored.
double tolerance(DType dtype) { return dtype == f32 ? 1e-5 : dtype == f16 ? 0x1p-9 : 0x1p-6; }

std::string version() {
  Fnv hash;
  for (const ShaderCode* code : {&shaders::matmul, &shaders::matmul_cooperative, &shaders::matmul_cooperative_bf16}) {
    for (uint32_t word : code->words) hash.add(word);
  }
  std::string text = fmt::format("{:x}", hash.value());
  for (const MatmulTile& tile : matmul_tiles()) text += fmt::format(",{}", tile.name);
  for (const CooperativeTile& tile : cooperative_tiles()) text += fmt::format(",{}", tile.name);
  return text;
}

struct Busy {
  bool& flag;
  explicit Busy(bool& f) : flag(f) { flag = true; }
  ~Busy() { flag = false; }
};

}  // namespace

MatmulTuner::MatmulTuner(Engine& engine)
    : engine_(engine), choices_(device_cache(engine.physical(), "matmul"), version()) {
  for (DType dtype : {f16, bf16}) {
    const std::string& lacks = engine.physical().cooperative.lacks(dtype);
    notes_[fmt::format("cooperative matrices of {}", name(dtype))] =
        !lacks.empty() ? "not used: the device lacks " + lacks : "not needed so far";
  }
}

std::vector<std::string> MatmulTuner::notes() const {
  std::vector<std::string> lines;
  for (const auto& [what, said] : notes_) lines.push_back(what + ": " + said);
  for (const auto& [question, answer] : choices_.all()) lines.push_back("measured: " + question + ": " + answer);
  return lines;
}

const char* MatmulTuner::tile_name(bool cooperative, size_t tile) const {
  return cooperative ? cooperative_tiles()[tile].name : matmul_tiles()[tile].name;
}

std::vector<size_t> MatmulTuner::tiles_for(DType dtype, const MatmulSize& size, bool cooperative) const {
  const MatmulDevice device = matmul_device(engine_);
  if (!cooperative) return candidate_tiles(device, size);
  return candidate_cooperative_tiles(device, size, *engine_.physical().cooperative.of(dtype),
                                     engine_.physical().subgroup_size);
}

MatmulVariant MatmulTuner::choose(const MatmulCall& call, const MatmulPlan& plan) {
  const DType dtype = call.a.dtype;
  const MatmulSize size = plan.size();
  if (const std::optional<size_t> wish = engine_.options().matmul_tile) return {false, *wish};
  const bool wide = (dtype == f16 || dtype == bf16) && cooperative(dtype);
  const bool measures = engine_.options().measure.value_or(!engine_.physical().is_cpu());
  if (!wide && !measures) return {false, default_tile(matmul_device(engine_), size)};
  const std::vector<size_t> tiles = tiles_for(dtype, size, wide);
  if (!measures || size.work() < least_work || tiles.size() < 2) return {wide, tiles.front()};
  return {wide, measured(dtype, plan, wide, tiles)};
}

size_t MatmulTuner::measured(DType dtype, const MatmulPlan& plan, bool cooperative, const std::vector<size_t>& tiles) {
  const MatmulClass type = class_of(engine_, dtype, plan, cooperative);
  const std::string question = type.text();
  if (const std::optional<std::string> answer = choices_.find(question)) {
    for (size_t tile : tiles) {
      if (*answer == tile_name(cooperative, tile)) return tile;
    }
  }
  if (busy_ || engine_.recorder().in_list()) return tiles.front();  // nothing can be run now
  const Busy busy(busy_);
  MatmulSize size = plan.size();
  // No more than it takes to tell the tiles apart.
  constexpr int64_t longest = 4096;
  for (int64_t* side : {&size.m, &size.n, &size.k}) *side = std::min(*side, longest);
  while (size.batch > 1 && size.work() > 4e9) size.batch = (size.batch + 1) / 2;
  size_t choice = tiles.front();
  try {
    const Trial trial(engine_, dtype, size, type.a_along_k, type.b_along_n);
    std::vector<Candidate> candidates;
    for (size_t tile : tiles) candidates.push_back(trial.candidate(tile_name(cooperative, tile), {cooperative, tile}));
    const std::vector<Measurement> found =
        measure(engine_, trial.candidate("plain", {}), candidates, trial.like(), tolerance(dtype));
    for (size_t i = 0; i < found.size(); ++i) {
      if (!found[i].right)
        notes_["matmul " + question + ", tile " + candidates[i].name] =
            fmt::format("not used: wrong by {:.2g} of the greatest value", found[i].error);
    }
    const int best = fastest(found);
    choice = best < 0 ? (cooperative ? tiles.front() : plain_tile) : tiles[static_cast<size_t>(best)];
  } catch (const OutOfMemoryError&) {
    return choice;  // no room to measure now
  }
  choices_.learn(question, tile_name(cooperative, choice));
  return choice;
}

bool MatmulTuner::cooperative(DType dtype) {
  if (const auto known = cooperative_.find(dtype); known != cooperative_.end()) return known->second;
  cooperative_[dtype] = false;  // while it is tried
  if (!engine_.physical().cooperative.of(dtype)) return false;
  const std::string subject = fmt::format("cooperative matrices of {}", name(dtype));
  std::string& note = notes_[subject];
  if (!engine_.options().cooperative.value_or(!engine_.physical().is_cpu())) {
    note =
        engine_.options().cooperative ? "not used: switched off" : "not used: slower than the plain kernel in software";
    return false;
  }
  const Busy busy(busy_);
  const std::string objection = judge(dtype, note);
  if (!objection.empty()) note = "not used: " + objection;
  return cooperative_[dtype] = objection.empty();
}

/// Why cooperative matrices must not be used, or "": each tile must give what the plain kernel gives, in every layout,
/// and the device must gain by it where they were not asked for.
std::string MatmulTuner::judge(DType dtype, std::string& note) {
  const CooperativeShape shape = *engine_.physical().cooperative.of(dtype);
  const std::vector<size_t> tiles = tiles_for(dtype, {1 << 12, 1 << 12, 1 << 12, 1}, true);
  if (tiles.empty()) return "no tile fits the device";
  try {
    // The second has edges in every direction, rows that are not whole vectors, and a bias.
    for (const MatmulSize& size : {MatmulSize{256, 384, 192, 1}, MatmulSize{141, 77, 51, 2}}) {
      for (int layout = 0; layout < 4; ++layout) {
        const Trial trial(engine_, dtype, size, layout & 1, layout & 2, size.batch > 1);
        std::vector<Candidate> candidates;
        for (size_t tile : tiles) candidates.push_back(trial.candidate(tile_name(true, tile), {true, tile}));
        const std::vector<Measurement> found =
            measure(engine_, trial.candidate("plain", {}), candidates, trial.like(), tolerance(dtype));
        for (size_t i = 0; i < found.size(); ++i) {
          if (!found[i].right)
            return fmt::format("with tiles of {} a product {} x {} x {} is wrong by {:.2g} of its greatest value",
                               candidates[i].name, size.m, size.n, size.k, found[i].error);
        }
      }
    }
    if (!engine_.options().cooperative && !cooperative_is_faster(dtype)) return "they are slower than the plain kernel";
  } catch (const OutOfMemoryError&) {
    return "no memory to try them in";
  }
  note = fmt::format("in use, {} x {} x {}, after they gave what the plain kernel gives", shape.m, shape.n, shape.k);
  return {};
}

bool MatmulTuner::cooperative_is_faster(DType dtype) {
  const std::string question = fmt::format("cooperative matrices of {} are faster", name(dtype));
  if (const std::optional<std::string> answer = choices_.find(question)) return *answer == "yes";
  const MatmulSize size{1024, 1024, 1024, 1};
  const Trial trial(engine_, dtype, size, true, true);
  const std::vector<Measurement> found =
      measure(engine_, trial.candidate("plain", {}),
              {trial.candidate("usual", {false, default_tile(matmul_device(engine_), size)}),
               trial.candidate("cooperative", {true, tiles_for(dtype, size, true).front()})},
              trial.like(), tolerance(dtype));
  const bool faster = found[1].right && found[1].seconds < found[0].seconds;
  choices_.learn(question, faster ? "yes" : "no");
  return faster;
}

}  // namespace fovea::vulkan
