#pragma once

#include <fovea/fovea.h>

#include <string>

/// Trains a bag of words and an attention model on reviews that it makes in `folder`, and compares them. Returns the
/// exit status.
int run_demo(const fovea::train::ClassifierProgram& program, const std::string& folder,
             const fovea::train::RunOptions& run);
