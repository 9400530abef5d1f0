#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fovea/train/classifier_program.h"

namespace fovea::train {

/// What a demo came to.
struct DemoOutcome {
  std::string text;                                     // "on 300 test pictures: accuracy 0.973"
  std::vector<std::pair<std::string, double>> figures;  // the same by name, for JSON
};

/// A program at work on data that were made for it.
struct DemoScript {
  std::string data;                                // lines that say what was made, and where
  std::vector<std::vector<std::string>> training;  // commands, up to one that fails
  std::vector<std::string> prediction;             // the command behind them, which is for the eye alone
  std::function<DemoOutcome()> outcome;
  std::string looks;  // "see what the model looks at"
  std::string model;  // whose report shows it
};

/// Shows it; returns the exit status. With --quiet nothing is printed but what --json asks for.
int run_demo(const ClassifierProgram& program, const RunOptions& run, const DemoScript& script);

}  // namespace fovea::train
