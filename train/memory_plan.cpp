#include "fovea/train/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "fovea/backends/memory_limit.h"
#include "fovea/backends/round_up.h"
#include "fovea/nn/transformer.h"
#include "fovea/tensor/creation.h"

namespace fovea::train {
namespace {

constexpr double tried_share = 0.9;  // of the budget: what is tried must fit into it
constexpr int64_t small_batch = 8;   // examples, below which computing layers twice is the lesser evil
constexpr size_t cache_share = 4;    // a quarter of the budget may be kept for reuse
constexpr int64_t steps_tried = 2;   // the second one meets the optimizer's state
constexpr int64_t parts_tried = 2;   // the second one meets the gradients of the first

/// A stream's first batch, again and again.
class Repeated final : public BatchStream {
 public:
  Repeated(std::unique_ptr<BatchStream> stream, int64_t times) : stream_(std::move(stream)), times_(times) {}

  int64_t batches() const override { return times_; }
  void seek(int64_t, int64_t batch) override { batch_ = batch; }
  std::optional<Outcome> next() override {
    if (batch_ == times_) return std::nullopt;
    ++batch_;
    stream_->seek(0, 0);
    return stream_->next();
  }

 private:
  std::unique_ptr<BatchStream> stream_;
  int64_t times_, batch_ = 0;
};

/// Values of a model, outside the device's memory, which are put back in the end.
class Restored {
 public:
  explicit Restored(nn::Module& model) : model_(model), random_(default_generator()) {
    for (const auto& [name, tensor] : model.state_dict()) {
      const size_t bytes = static_cast<size_t>(tensor.numel()) * size_of(tensor.dtype());
      Value& value = values_.emplace_back(Value{tensor, std::vector<std::byte>(bytes)});
      if (bytes > 0) tensor.backend().read(*tensor.buffer(), offset(tensor), value.bytes.data(), bytes);
    }
  }
  ~Restored() {
    model_.zero_grad();
    default_generator() = random_;
    for (const auto& [tensor, bytes] : values_) {
      if (bytes.empty()) continue;
      tensor.backend().write(*tensor.buffer(), offset(tensor), bytes.data(), bytes.size());
      ++tensor.buffer()->version;
    }
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  struct Value {
    Tensor tensor;
    std::vector<std::byte> bytes;
  };
  static size_t offset(const Tensor& tensor) {
    return static_cast<size_t>(tensor.view().offset) * size_of(tensor.dtype());
  }

  nn::Module& model_;
  Generator random_;
  std::vector<Value> values_;
};

/// Turns the recomputation of encoder layers on or off; whether the model has any.
bool set_recompute(nn::Module& model, bool on) {
  bool any = false;
  model.apply([&](nn::Module& module) {
    if (auto* encoder = dynamic_cast<nn::TransformerEncoder*>(&module)) {
      encoder->recompute = on;
      any = true;
    }
  });
  return any;
}

[[noreturn]] void refuse_memory(const nn::Module& model, size_t budget) {
  refuse("--memory {}: not even one example at a time fits ({} weights alone take {})", bytes_text(budget),
         model.parameter_count(), bytes_text(static_cast<size_t>(model.parameter_count()) * sizeof(float)));
}

class Planner {
 public:
  Planner(const PlannedRun& run, size_t budget) : run_(run), budget_(budget) {
    backend(run.device).set_cache_limit(budget / cache_share);
    set_memory_limit(run.device.kind, static_cast<size_t>(tried_share * static_cast<double>(budget)));
  }
  ~Planner() { set_memory_limit(run_.device.kind, budget_); }
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  MemoryPlan plan() {
    const int64_t batch = std::min(run_.training.batch_size, run_.task.size(Part::train));
    const int64_t whole = divide_up(batch, run_.ranks);
    int64_t size = largest(whole, [&](int64_t examples) { return trains(examples); });
    bool recompute = false;
    if (size < std::min(whole, small_batch) && set_recompute(run_.model, true)) {
      const int64_t larger = largest(whole, [&](int64_t examples) { return trains(examples); });
      recompute = larger > size;
      if (recompute) size = larger;
      set_recompute(run_.model, recompute);
    }
    if (size == 0) refuse_all();
    const int64_t inferred =
        largest(run_.training.inference_stream().batch_size, [&](int64_t examples) { return infers(examples); });
    if (inferred == 0 || !resumes()) refuse_all();
    return {.parts = divide_up(whole, size), .recompute = recompute, .inference_size = inferred};
  }

 private:
  /// The greatest number up to `most` that fits, found from below within an eighth; 0 where none does.
  template <class Fits>
  static int64_t largest(int64_t most, const Fits& fits) {
    if (fits(most)) return most;
    int64_t good = 0, bad = most;
    for (int64_t next = 1; next < bad && fits(next); next *= 2) good = next;
    bad = std::min(bad, std::max<int64_t>(2 * good, 1));
    while (bad - good > std::max<int64_t>(good / 8, 1)) {
      const int64_t middle = good + (bad - good) / 2;
      (fits(middle) ? good : bad) = middle;
    }
    return good;
  }

  /// Whether steps of such batches fit, accumulating, with the weights of the best epoch beside them.
  bool trains(int64_t examples) {
    const Restored restored(run_.model);
    try {
      nn::StateDict best;
      if (run_.trainer.keep_best) {
        for (const auto& [name, tensor] : run_.model.state_dict()) best.emplace(name, tensor.detach().clone());
      }
      const auto optimizer = run_.training.make_optimizer(run_.model);
      TrainerOptions options = run_.trainer;
      options.epochs = 1;
      options.accumulate = parts_tried;
      options.parts = 1;
      options.schedule = {};
      options.max_minutes = 0;
      options.checkpoint.clear();
      options.group = nullptr;
      Trainer trainer(run_.model, *optimizer, options);
      Repeated worst(stream(Part::train, examples), steps_tried * parts_tried);
      if (trainer.fit(worst) == Ending::interrupted) refuse("interrupted while it tried what fits into --memory");
      optimizer_bytes_ = 0;
      for (const auto& [name, tensor] : optimizer->state_dict()) {
        optimizer_bytes_ += static_cast<size_t>(tensor.numel()) * size_of(tensor.dtype());
      }
      return true;
    } catch (const OutOfMemoryError&) {
      return false;
    }
  }

  /// Whether so many fit beside what is alive between two epochs: gradients, the optimizer's state, the best weights,
  /// averages and, while they are validated, the weights that they stand in for.
  bool infers(int64_t examples) const {
    const nn::Evaluating evaluating(run_.model);
    try {
      const size_t weights = bytes_of_weights();
      const BufferRef alive =
          backend(run_.device).allocate(optimizer_bytes_ + (1 + keeps_best() + 2 * averages()) * weights);
      for (const Part part : {Part::train, Part::valid}) {
        if (run_.task.size(part) > 0) stream(part, examples)->next();
      }
      return true;
    } catch (const OutOfMemoryError&) {
      return false;
    }
  }

  /// Whether a checkpoint fits beside the model and the optimizer that take it over.
  bool resumes() const {
    try {
      const BufferRef checkpoint =
          backend(run_.device).allocate((2 + 3 * averages()) * bytes_of_weights() + 2 * optimizer_bytes_);
      return true;
    } catch (const OutOfMemoryError&) {
      return false;
    }
  }

  std::unique_ptr<BatchStream> stream(Part part, int64_t examples) const {
    auto longest = run_.task.stream(part, {.batch_size = examples, .longest_first = true});
    longest->seek(0, 0);
    return longest;
  }

  size_t keeps_best() const { return run_.trainer.keep_best ? 1 : 0; }
  size_t averages() const { return run_.trainer.ema > 0 ? 1 : 0; }
  size_t bytes_of_weights() const { return static_cast<size_t>(run_.model.parameter_count()) * sizeof(float); }

  [[noreturn]] void refuse_all() const { refuse_memory(run_.model, budget_); }

  const PlannedRun& run_;
  size_t budget_;
  size_t optimizer_bytes_ = 0;  // of its state, as the last steps left it
};

}  // namespace

size_t parse_bytes(const std::string& text) {
  struct Unit {
    const char* name;
    double bytes;
  };
  static constexpr Unit units[] = {{"", 1},         {"B", 1},   {"KiB", 0x1p10}, {"MiB", 0x1p20},
                                   {"GiB", 0x1p30}, {"K", 1e3}, {"KB", 1e3},     {"MB", 1e6},
                                   {"GB", 1e9},     {"M", 1e6}, {"G", 1e9}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto* found = std::find_if(std::begin(units), std::end(units), [&](const Unit& u) { return unit == u.name; });
  if (error != std::errc() || found == std::end(units) || !(number > 0) || number * found->bytes > 0x1p60) {
    refuse("--memory: \"{}\" is no amount of memory such as 512MiB", text);
  }
  return static_cast<size_t>(number * found->bytes);
}

std::string bytes_text(size_t bytes) {
  const char* unit = "B";
  auto value = static_cast<double>(bytes);
  for (const char* larger : {"KiB", "MiB", "GiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return fmt::format("{:.3g} {}", value, unit);
}

std::string MemoryPlan::describe(size_t budget, const TrainingOptions& training) const {
  std::string text = fmt::format("within {}: batches of {}", bytes_text(budget), training.batch_size);
  text += parts > 1 ? fmt::format(" in {} parts", parts) : " as a whole";
  if (recompute) text += ", encoder layers computed twice";
  return text +
         fmt::format(", products in {}; {} at a time where nothing is learned", training.precision, inference_size);
}

void check_memory(const nn::Module& model, size_t budget) {
  // With them their gradients, at the least.
  if (2 * static_cast<size_t>(model.parameter_count()) * sizeof(float) > budget) refuse_memory(model, budget);
}

MemoryPlan plan_memory(const PlannedRun& run, size_t budget) { return Planner(run, budget).plan(); }

}  // namespace fovea::train
