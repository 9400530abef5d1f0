#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fovea/train/options.h"

namespace fovea::train {

/// What a program's exit status says.
struct ExitStatus {
  static constexpr int success = 0;
  static constexpr int failure = 1;        // the program's own fault
  static constexpr int bad_input = 2;      // a flag, a file or a folder of the user's
  static constexpr int interrupted = 130;  // Ctrl-C, as a shell reports it
};

/// One of a program's commands.
struct Command {
  std::string name;
  std::string description;
  std::function<void(OptionTable&)> declare;  // adds its options
  std::function<int(OptionTable&)> run;       // returns the exit status
  bool ranks = false;                         // whether several processes of it work together under mpirun
  /// Whether it goes on where nobody reads its output any more (SIGPIPE), since what it writes to files is worth more. It
  /// prints by say() until that is done.
  bool goes_on = false;
};

/// A program with commands, `--help` for each, and `--config FILE` for each command that has an option of that name:
/// the options of a JSON object, which flags override. A wrong flag, a bad file (UsageError, DataError, ValueError and
/// the other errors of a user) end in one line on standard error and exit status 2; nothing escapes. Under mpirun the
/// processes are a ProcessGroup, which the error of one ends.
class CommandLine {
 public:
  CommandLine(std::string program, std::string description);

  void add(Command command) { commands_.push_back(std::move(command)); }
  /// Runs the command that the arguments name and returns the exit status.
  int run(int argc, const char* const* argv);

 private:
  int parse_and_run(int argc, const char* const* argv);

  std::string program_;
  std::string description_;
  std::vector<Command> commands_;
};

}  // namespace fovea::train
