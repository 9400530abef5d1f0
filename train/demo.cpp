#include "fovea/train/demo.h"

#include <fmt/format.h>

#include <filesystem>

namespace fovea::train {

int run_demo(const ClassifierProgram& program, const RunOptions& run, const DemoScript& script) {
  if (!run.quiet) fmt::print("{}", script.data);
  for (const std::vector<std::string>& command : script.training) {
    if (const int status = program.show(command, run)) return status;
  }
  if (!run.quiet) {
    if (const int status = program.show(script.prediction, run)) return status;
  }
  const DemoOutcome outcome = script.outcome();
  if (!run.quiet) {
    const std::string report = std::filesystem::path(script.model) / "report.html";
    fmt::print("\n{}\n{}: {}\n", outcome.text, script.looks, report);
  }
  if (run.json) {
    std::string figures;
    for (const auto& [name, value] : outcome.figures) {
      figures += fmt::format("{}\"{}\": {:.4f}", figures.empty() ? "" : ", ", name, value);
    }
    fmt::print("{{{}}}\n", figures);
  }
  return ExitStatus::success;
}

}  // namespace fovea::train
