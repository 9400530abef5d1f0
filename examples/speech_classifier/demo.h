#pragma once

#include <fovea/fovea.h>

#include <string>

/// Trains on melodies that it plays into `folder`. Returns the exit status.
int run_demo(const fovea::train::ClassifierProgram& program, const std::string& folder,
             const fovea::train::RunOptions& run);
