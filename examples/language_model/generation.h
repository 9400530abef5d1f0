#pragma once

#include <fovea/fovea.h>

#include <string>

#include "corpus.h"

/// The prompt and what the model writes behind it; an empty prompt starts with the commonest character.
std::string continue_text(fovea::nn::CausalLM& model, const Characters& characters, const std::string& prompt,
                          const fovea::nn::GenerateOptions& options);

/// The `generate`, `evaluate` and `export` commands.
fovea::train::Command generate_command();
fovea::train::Command evaluate_command();
fovea::train::Command export_command();
