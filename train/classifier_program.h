#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fovea/train/classifier_task.h"
#include "fovea/train/command_line.h"
#include "fovea/train/metrics.h"

namespace fovea::train {

/// A program around a ClassifierTask, with the commands train, search, evaluate, predict, export, serve and, where
/// one is given, demo:
///
///     int main(int argc, char** argv) {
///       train::ClassifierProgram program("text_classifier", "...", [] { return std::make_unique<TextClassifier>(); });
///       return program.run(argc, argv);
///     }
class ClassifierProgram {
 public:
  /// Shows the program at work on data that it makes in `folder`, which exists; returns the exit status.
  using Demo = std::function<int(const ClassifierProgram& program, const std::string& folder, const RunOptions& run)>;

  ClassifierProgram(std::string name, std::string description, MakeTask make_task);
  void set_demo(std::string description, Demo demo);

  /// Returns the exit status.
  int run(int argc, const char* const* argv) const;
  int run(const std::vector<std::string>& arguments) const;

  /// Shows a command as a user would type it and runs it with the same device, threads and quietness: for demos.
  int show(std::vector<std::string> arguments, const RunOptions& run) const;

  /// Tests the model of a folder, of examples that have one class each, on a file. Throws DataError.
  Evaluation evaluate(const std::string& folder, const std::string& file, const RunOptions& run) const;

  const std::string& name() const { return name_; }

 private:
  Command train_command() const;
  Command search_command() const;
  Command demo_command() const;

  std::string name_;
  std::string description_;
  MakeTask make_task_;
  std::string demo_description_;
  Demo demo_;
};

}  // namespace fovea::train
