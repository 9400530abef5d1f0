#pragma once

#include <fovea/fovea.h>

#include <string>

/// Cross-validates on patients that it makes up in `folder`, with and without the costs of mistakes, and tests the model.
/// Returns the exit status.
int run_demo(const fovea::train::ClassifierProgram& program, const std::string& folder,
             const fovea::train::RunOptions& run);
