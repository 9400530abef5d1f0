#pragma once

#include <fovea/fovea.h>

#include <string>

/// Trains on pictures of shapes that it draws in `folder`. Returns the exit status.
int run_demo(const fovea::train::ClassifierProgram& program, const std::string& folder,
             const fovea::train::RunOptions& run);
