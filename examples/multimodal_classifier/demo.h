#pragma once

#include <fovea/fovea.h>

#include <string>

/// Trains on offers that it makes up in `folder`: on their texts alone, on their columns alone, on both. Returns the exit
/// status.
int run_demo(const fovea::train::ClassifierProgram& program, const std::string& folder,
             const fovea::train::RunOptions& run);
