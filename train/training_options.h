#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "fovea/backends/default_device.h"
#include "fovea/nn/optimizer.h"
#include "fovea/train/options.h"
#include "fovea/train/trainer.h"

namespace fovea::train {

/// Where and how loudly a command runs: nothing of it changes what is learned.
struct RunOptions {
  std::string device = {};  // empty: the default one
  int64_t threads = 0;      // 0: all cores
  bool quiet = false;
  bool json = false;

  void declare(OptionTable& options);
  /// Throws DeviceError where it is no name of a device.
  Device chosen() const;
  /// Sets the number of threads and starts the device. Throws DeviceError where there is no such device, or where it has
  /// kernels that are known to fail (see require_sound).
  Device apply() const;
};

/// Says that --resume found the run in a folder complete.
void tell_complete(const RunOptions& run, const std::string& folder);

/// A device as a run names the one it took: "cpu", "vulkan:0 (llvmpipe ...)".
std::string describe(Device device);

/// How a model is trained: the options that every trainer has.
struct TrainingOptions {
  int64_t seed = 1;
  int64_t epochs = 10;
  std::string epochs_text = {};  // what --help says of a default that hangs on the data
  int64_t batch_size = 32;
  int64_t accumulate = 1;
  std::string precision = "f32";
  double lr = 2e-3;
  std::string optimizer = "adam";
  std::string schedule = "linear";
  double warmup = 0;  // share of the steps
  double weight_decay = 0;
  double dropout = 0.3;
  double label_smoothing = 0;
  double clip = 1;
  double ema = 0;
  int64_t patience = 5;
  std::string monitor = "accuracy";
  std::string keep = "best";
  std::string balance = "none";
  int64_t save_every = 0;
  double max_minutes = 0;
  bool resume = false;

  void declare(OptionTable& options);
  TrainerOptions trainer() const;
  /// With --balance weights: for so many examples of each class, how much a class counts in the loss, so that all count
  /// alike as a whole; else undefined.
  Tensor class_weights(std::span<const int64_t> class_counts, Device device) const;
  /// The same where an example may have any number of the classes: how much a class counts in the examples that have it, so
  /// that these count as much as those that do not.
  Tensor positive_weights(std::span<const int64_t> class_counts, int64_t examples, Device device) const;
  StreamOptions training_stream() const;
  StreamOptions inference_stream() const { return {.batch_size = 2 * batch_size}; }
  std::unique_ptr<nn::Optimizer> make_optimizer(const nn::Module& model) const;
};

/// The names that make_schedule knows.
const std::vector<std::string>& schedule_names();
/// The learning rate of a run: "constant"; "linear" or "cosine" down to 0; "exponential" down to a hundredth. First it
/// rises over a share `warmup` of the steps. Throws ValueError.
std::function<nn::schedule::Curve(int64_t steps)> make_schedule(const std::string& name, double warmup = 0,
                                                                Caller caller = {});

}  // namespace fovea::train
