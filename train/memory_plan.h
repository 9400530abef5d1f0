#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "fovea/train/classifier_task.h"
#include "fovea/train/trainer.h"
#include "fovea/train/training_options.h"

namespace fovea::train {

/// Bytes from "512MiB", "2 GiB", "64MB", "4096": 1024 or 1000 of the next smaller unit. Throws UsageError.
size_t parse_bytes(const std::string& text);
/// "512 MiB", "1.5 GiB".
std::string bytes_text(size_t bytes);

/// How a run keeps within its memory. None of it changes what is learned but for rounding, where no module notes
/// something of its whole batch (BatchNorm).
struct MemoryPlan {
  int64_t parts = 1;           // into which each batch is cut, whose gradients are added up
  bool recompute = false;      // encoder layers run again in the backward pass: see nn::TransformerEncoder
  int64_t inference_size = 0;  // examples at once where nothing is learned

  /// For people.
  std::string describe(size_t budget, const TrainingOptions& training) const;
};

/// What is to be trained.
struct PlannedRun {
  ClassifierTask& task;
  nn::Module& model;
  const TrainingOptions& training;
  TrainerOptions trainer;
  Device device;
  int64_t ranks = 1;  // that share each batch
};

/// Throws UsageError where a model alone takes too much to be trained within so many bytes.
void check_memory(const nn::Module& model, size_t budget);

/// Tries whole steps on the longest examples, with a part of the memory left free, until it knows the largest batches
/// that fit: whole ones, else cut ones, else cut ones of a model that computes its encoder layers twice. The device's
/// memory is bounded (see set_memory_limit) from here on. Model and random numbers are afterwards what they were. Throws
/// UsageError where not even one example at a time fits.
MemoryPlan plan_memory(const PlannedRun& run, size_t budget);

}  // namespace fovea::train
