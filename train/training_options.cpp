#include "fovea/train/training_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "fovea/backends/soundness.h"
#include "fovea/nn/optimizers.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/json_text.h"

namespace fovea::train {
namespace {

constexpr double largest = 1e9;

Monitor monitor_of(const std::string& name) {
  return name == "loss"       ? Monitor::loss
         : name == "macro_f1" ? Monitor::macro_f1
         : name == "micro_f1" ? Monitor::micro_f1
         : name == "roc_auc"  ? Monitor::roc_auc
                              : Monitor::accuracy;
}

/// For --help, also where FOVEA_DEVICE names no device, which is said when one is needed.
std::string usual_device() {
  const char* named = std::getenv("FOVEA_DEVICE");
  return named && *named ? named : to_string(Device::cpu());
}

}  // namespace

void RunOptions::declare(OptionTable& options) {
  options.group("Run");
  options.add("device", &device,
              "where to compute: cpu, vulkan or vulkan:N; the default is FOVEA_DEVICE's, where that is set",
              {.placeholder = "NAME", .default_text = usual_device(), .configuration = false});
  options.add("threads", &threads, "threads to work with; the result does not depend on it",
              {.min = 0, .max = 1024, .default_text = "all cores", .configuration = false});
  options.add("quiet", &quiet, "print errors only", {.configuration = false});
  options.add("json", &json, "end with a line of JSON", {.configuration = false});
}

void tell_complete(const RunOptions& run, const std::string& folder) {
  if (!run.quiet) fmt::print("the run in {} is complete\n", folder);
  if (run.json) fmt::print("{}\n", json_text(nlohmann::ordered_json{{"ending", "complete"}, {"out", folder}}));
}

Device RunOptions::chosen() const { return device.empty() ? default_device() : Device::parse(device); }

Device RunOptions::apply() const {
  const Device found = chosen();
  require_sound(found);
  // Processes on one machine share its cores.
  const int share =
      static_cast<int>(std::max(1u, std::thread::hardware_concurrency())) / ProcessGroup::processes_here();
  set_num_threads(threads > 0 ? static_cast<int>(threads) : std::clamp(share, 1, num_threads()));
  return found;
}

std::string describe(Device device) {
  if (device == Device::cpu()) return to_string(device);
  return fmt::format("{} ({})", device, backend(device).description());
}

void TrainingOptions::declare(OptionTable& options) {
  options.group("Training");
  options.add("epochs", &epochs, "passes over the data, at most",
              {.min = 1, .max = largest, .default_text = epochs_text});
  options.add("batch-size", &batch_size, "examples a step", {.min = 1, .max = largest});
  options.add("accumulate", &accumulate, "batches whose gradients make a step together", {.min = 1, .max = largest});
  options.add("precision", &precision, "in which matrix products are computed in training; f16 also scales the loss",
              {.choices = {"f32", "bf16", "f16"}});
  options.add("lr", &lr, "learning rate", {.min = 0, .max = 1e6});
  options.add("optimizer", &optimizer, "how weights are updated",
              {.choices = {"adam", "adamw", "sgd", "rmsprop", "adagrad"}});
  options.add("schedule", &schedule, "how the learning rate falls", {.choices = schedule_names()});
  options.add("warmup", &warmup, "share of the steps in which the learning rate rises", {.min = 0, .max = 1});
  options.add("weight-decay", &weight_decay, "pull of the weights to zero", {.min = 0, .max = largest});
  options.add("dropout", &dropout, "share of the activations that a step leaves out", {.min = 0, .max = 0.95});
  options.add("label-smoothing", &label_smoothing, "share of the target given to all classes", {.min = 0, .max = 0.95});
  options.add("clip", &clip, "bound of the gradient's norm; 0 for none", {.min = 0, .max = largest});
  options.add(
      "ema", &ema,
      "what moving averages of the weights keep of themselves at a step, such as 0.99: they are validated and kept "
      "in place of the weights; 0 for none",
      {.min = 0, .max = 0.999999});
  options.add("patience", &patience, "epochs to wait for a better one; 0 for all", {.min = 0, .max = largest});
  options.add("monitor", &monitor,
              "what the best epoch has best on the held-out data; with --multi-label also micro_f1, then the default "
              "in place of accuracy",
              {.choices = {"accuracy", "macro_f1", "micro_f1", "roc_auc", "loss"}});
  options.add("keep", &keep, "which weights to keep: those of the best epoch or the last one",
              {.choices = {"best", "last"}});
  options.add("balance", &balance,
              "what makes up for rare classes: their weight in the loss, or how often they are drawn",
              {.choices = {"none", "weights", "sampling"}});
  options.add("seed", &seed, "start of all random numbers; the same seed gives the same model", {.min = 0});
  options.group("Interruption");
  options.add("resume", &resume, "go on with the run that --out holds", {.configuration = false});
  options.add("save-every", &save_every, "steps between checkpoints",
              {.min = 0, .max = largest, .default_text = "as often as it is cheap", .configuration = false});
  options.add("max-minutes", &max_minutes, "stop after so long; 0 for never",
              {.min = 0, .max = largest, .configuration = false});
}

TrainerOptions TrainingOptions::trainer() const {
  return {.epochs = epochs,
          .patience = patience,
          .monitor = monitor_of(monitor),
          .keep_best = keep == "best",
          .clip = clip,
          .ema = ema,
          .accumulate = accumulate,
          .precision = precision == "f16"    ? f16
                       : precision == "bf16" ? bf16
                                             : f32,
          .label_smoothing = label_smoothing,
          .schedule = make_schedule(schedule, warmup),
          .max_minutes = max_minutes,
          .save_every = save_every};
}

Tensor TrainingOptions::class_weights(std::span<const int64_t> class_counts, Device device) const {
  if (balance != "weights") return {};
  const auto examples = std::accumulate(class_counts.begin(), class_counts.end(), int64_t{0});
  const auto share = static_cast<float>(examples) / static_cast<float>(class_counts.size());
  std::vector<float> weights;
  for (const int64_t count : class_counts) weights.push_back(count > 0 ? share / static_cast<float>(count) : 0);
  return from_vector(weights, device);
}

Tensor TrainingOptions::positive_weights(std::span<const int64_t> class_counts, int64_t examples, Device device) const {
  if (balance != "weights") return {};
  std::vector<float> weights;
  for (const int64_t count : class_counts) {
    const bool differ = count > 0 && count < examples;
    weights.push_back(differ ? static_cast<float>(examples - count) / static_cast<float>(count) : 1);
  }
  return from_vector(weights, device);
}

StreamOptions TrainingOptions::training_stream() const {
  return {.batch_size = batch_size,
          .shuffle = true,
          .balanced = balance == "sampling",
          .seed = static_cast<uint64_t>(seed)};
}

std::unique_ptr<nn::Optimizer> TrainingOptions::make_optimizer(const nn::Module& model) const {
  if (optimizer == "sgd") {
    return std::make_unique<nn::SGD>(model, nn::SGDOptions{.lr = lr, .weight_decay = weight_decay});
  }
  if (optimizer == "adamw") {
    return std::make_unique<nn::AdamW>(model, nn::AdamWOptions{.lr = lr, .weight_decay = weight_decay});
  }
  if (optimizer == "rmsprop") {
    return std::make_unique<nn::RMSprop>(model, nn::RMSpropOptions{.lr = lr, .weight_decay = weight_decay});
  }
  if (optimizer == "adagrad") {
    return std::make_unique<nn::Adagrad>(model, nn::AdagradOptions{.lr = lr, .weight_decay = weight_decay});
  }
  return std::make_unique<nn::Adam>(model, nn::AdamOptions{.lr = lr, .weight_decay = weight_decay});
}

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names{"constant", "linear", "cosine", "exponential"};
  return names;
}

std::function<nn::schedule::Curve(int64_t)> make_schedule(const std::string& name, double warmup, Caller caller) {
  namespace schedule = nn::schedule;
  const auto& names = schedule_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    raise<ValueError>(caller, "make_schedule: there is no schedule \"{}\"", name);
  }
  if (!(warmup >= 0 && warmup <= 1)) raise<ValueError>(caller, "make_schedule: warmup {}", warmup);
  return [name, warmup](int64_t steps) {
    const auto rising = static_cast<int64_t>(std::llround(warmup * static_cast<double>(steps)));
    const int64_t falling = std::max<int64_t>(steps - rising, 1);
    const schedule::Curve after = name == "linear"   ? schedule::linear(1, 0, falling)
                                  : name == "cosine" ? schedule::cosine(falling)
                                  : name == "exponential"
                                      ? schedule::exponential(std::pow(0.01, 1 / static_cast<double>(falling)))
                                      : schedule::constant();
    return rising == 0 ? after : schedule::warm_up(rising, after, 1 / static_cast<double>(rising + 1));
  };
}

}  // namespace fovea::train
