#pragma once

#include <fovea/fovea.h>

#include <functional>
#include <string>
#include <vector>

/// Runs the program with these arguments and returns its exit status.
using RunProgram = std::function<int(const std::vector<std::string>& arguments)>;

/// Learns a short text by heart and recites it. Returns the exit status.
int run_demo(const RunProgram& program, const std::string& folder, const fovea::train::RunOptions& run);

/// The text, some two thousand characters.
std::string_view demo_text();
