#pragma once

#include <fovea/fovea.h>

#include <memory>
#include <string>

#include "corpus.h"

/// What the model is made of.
struct ModelOptions {
  int64_t context = 128;
  int64_t dim = 128;
  int64_t layers = 3;
  int64_t heads = 4;
  int64_t feedforward = 0;
  std::string positions = "rotary";
  bool untied = false;
  int64_t vocabulary = 2000;

  void declare(fovea::train::OptionTable& options);
  /// Throws UsageError where options do not go together.
  void check() const;
  std::unique_ptr<fovea::nn::CausalLM> make(int64_t ids, double dropout) const;
};

/// A model that `train` wrote. Throws DataError.
struct LanguageModel {
  Characters characters;
  std::unique_ptr<fovea::nn::CausalLM> model;
  int64_t batch_size;

  static LanguageModel load(const std::string& folder, fovea::Device device);
};

inline constexpr const char* program_name = "language_model";
std::string vocabulary_path(const std::string& folder);
