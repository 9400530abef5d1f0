#include "fovea/train/command_line.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <numeric>
#include <thread>

#include "fovea/data/files.h"
#include "fovea/train/process_group.h"
#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

constexpr int help_column = 34;
constexpr int help_width = 100;

std::string placeholder(const OptionTable::Option& option) {
  if (!option.rules.placeholder.empty()) return option.rules.placeholder;
  if (std::holds_alternative<int64_t*>(option.target)) return "N";
  if (std::holds_alternative<double*>(option.target)) return "X";
  return option.rules.choices.empty() ? "TEXT" : "NAME";
}

/// "what reads the text: bag, rnn, gru, lstm [gru]".
std::string describe(const OptionTable::Option& option) {
  std::string out = option.help;
  if (!option.rules.choices.empty()) out += fmt::format(": {}", fmt::join(option.rules.choices, ", "));
  const bool flag = std::holds_alternative<bool*>(option.target);
  const std::string value = option.rules.default_text.empty() ? OptionTable::text(option) : option.rules.default_text;
  if (!flag && !value.empty() && !option.rules.positional) out += fmt::format(" [{}]", value);
  return option.rules.required ? out + " (required)" : out;
}

/// One line an option, wrapped at spaces and aligned.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string line = "  " + (positional ? std::string() : option->get_name(false, true));
    const std::string value = option->get_option_text();
    if (!value.empty()) line += (positional ? "" : " ") + value;
    if (line.size() + 2 > help_column) {
      line += '\n' + std::string(help_column, ' ');
    } else {
      line.resize(help_column, ' ');
    }
    size_t width = help_column;
    std::string_view rest = option->get_description();
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      if (width > help_column && width + 1 + word.size() > help_width) {
        line += '\n' + std::string(help_column, ' ');
        width = help_column;
      } else if (width > help_column) {
        line += ' ';
        ++width;
      }
      line += word;
      width += word.size();
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    }
    return line + '\n';
  }
};

/// The words behind the program's name, last first, as CLI11 takes them. It would take an argument in brackets for a
/// list: a NUL, which no word holds, stands behind the last one until it has parsed them.
std::vector<std::string> words_of(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {
    words.emplace_back(argv[i]);
    if (words.back().ends_with(']')) words.back() += '\0';
  }
  return words;
}

void strip_nul(std::string& word) { std::erase(word, '\0'); }

/// Adds an option to CLI11, which only splits the words: values are checked by the table.
void add_option(CLI::App& app, const OptionTable::Option& option, std::vector<std::string>& words) {
  CLI::Option* added = nullptr;
  if (std::holds_alternative<bool*>(option.target)) {
    added = app.add_flag_callback("--" + option.name, [&words] { words = {"true"}; });
  } else {
    added = app.add_option((option.rules.positional ? "" : "--") + option.name, words);
    added->option_text(placeholder(option));
    if (!option.rules.positional)
      added->expected(1)->allow_extra_args(false)->multi_option_policy(
          option.rules.repeated ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
  }
  added->description(describe(option));
  if (!option.group.empty() && !option.rules.positional) added->group(option.group);
}

void read_config(OptionTable& options) {
  const OptionTable::Option* config = options.find("config");
  if (!config || !config->given) return;
  const std::string& path = *std::get<std::string*>(config->target);
  options.from_json(data::read_file(path, size_t{1} << 20), path);
}

void check_required(const OptionTable& options) {
  for (const OptionTable::Option& option : options.options()) {
    if (option.rules.required && !option.given) refuse("--{} is missing (--help tells more)", option.name);
  }
}

/// How many letters have to be changed, left out or put in to make one word of the other.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t corner = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = corner + (a[i] != b[j]);
      corner = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

[[noreturn]] void refuse_unknown(std::string word, const OptionTable& options) {
  strip_nul(word);
  const std::string name = word.substr(2, word.find('=') - 2);
  std::string nearest;
  size_t least = 3;
  for (const OptionTable::Option& option : options.options()) {
    const size_t far = distance(name, option.name);
    if (far >= std::min(least, name.size() / 2 + 1)) continue;
    least = far;
    nearest = option.name;
  }
  refuse("there is no option --{}{} (--help tells more)", name,
         nearest.empty() ? "" : fmt::format("; --{} is meant, perhaps", nearest));
}

std::string one_line(std::string text) {
  strip_nul(text);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// Without the " (file.cpp:42)" at its end: the place in the program is of no use to its user.
std::string without_place(std::string text) {
  const size_t open = text.rfind(" ("), colon = text.rfind(':');
  if (open == std::string::npos || colon == std::string::npos || colon < open || !text.ends_with(")")) return text;
  const std::string_view whole = text, file = whole.substr(open + 2, colon - open - 2);
  const std::string_view line = whole.substr(colon + 1, whole.size() - colon - 2);
  const bool place = file.find('.') != file.npos && file.find(' ') == file.npos && !line.empty() &&
                     line.find_first_not_of("0123456789") == line.npos;
  if (place) text.resize(open);
  return text;
}

/// Where a standard stream is closed the next file that is opened would take its place, and what is printed end in it.
void keep_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    static_cast<void>(::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));  // it stays one that fails
  }
}

}  // namespace

CommandLine::CommandLine(std::string program, std::string description)
    : program_(std::move(program)), description_(std::move(description)) {}

int CommandLine::parse_and_run(int argc, const char* const* argv) {
  CLI::App app(description_, program_);
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("--help", "this text");
  app.require_subcommand(0, 1);

  std::vector<OptionTable> tables(commands_.size());
  std::vector<std::vector<std::vector<std::string>>> words(commands_.size());
  std::vector<CLI::App*> apps;
  for (size_t i = 0; i < commands_.size(); ++i) {
    commands_[i].declare(tables[i]);
    words[i].resize(tables[i].options().size());
    CLI::App* sub = apps.emplace_back(app.add_subcommand(commands_[i].name, commands_[i].description));
    sub->set_help_flag("--help", "this text");
    for (size_t k = 0; k < words[i].size(); ++k) add_option(*sub, tables[i].options()[k], words[i][k]);
  }

  try {
    app.parse(words_of(argc, argv));
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return ExitStatus::success;
  } catch (const CLI::ExtrasError& error) {
    for (size_t i = 0; i < commands_.size(); ++i) {
      if (!apps[i]->parsed()) continue;
      for (const std::string& word : apps[i]->remaining()) {
        if (word.starts_with("--")) refuse_unknown(word, tables[i]);
      }
    }
    refuse("{} (--help tells more)", one_line(error.what()));
  } catch (const CLI::ParseError& error) {
    refuse("{} (--help tells more)", one_line(error.what()));
  }
  for (size_t i = 0; i < commands_.size(); ++i) {
    if (!apps[i]->parsed()) continue;
    OptionTable& table = tables[i];
    for (size_t k = 0; k < words[i].size(); ++k) {
      for (std::string& word : words[i][k]) strip_nul(word);
      if (!words[i][k].empty()) table.assign(table.options()[k].name, words[i][k]);
    }
    if (ProcessGroup::current() && !commands_[i].ranks) {
      refuse("{} works in one process: start it without mpirun", commands_[i].name);
    }
    read_config(table);
    check_required(table);
    if (commands_[i].goes_on) std::signal(SIGPIPE, SIG_IGN);
    return commands_[i].run(table);
  }
  std::vector<std::string> names;
  for (const Command& command : commands_) names.push_back(command.name);
  refuse("a command is missing: {} (--help tells more)", fmt::join(names, ", "));
}

int CommandLine::run(int argc, const char* const* argv) {
  keep_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that must not grow further is an error like a full disk
  const auto complain = [&](const std::string& text, int status) {
    std::fflush(stdout);
    ProcessGroup* group = ProcessGroup::current();
    const bool first = !group || group->first();
    // Often all ranks have the same to say: then the first says it, and this one is ended.
    if (!first) std::this_thread::sleep_for(std::chrono::seconds(1));
    say(stderr, fmt::format("{}{}\n", first ? "" : fmt::format("rank {}: ", group->rank()), one_line(text)));
    if (group) group->abandon(status);
    return status;
  };
  constexpr const char* unwritten = "standard output cannot be written";
  const auto from_program = [&](const std::string& what) { return fmt::format("{}: {}", program_, what); };
  try {
    ProcessGroup* group = ProcessGroup::start();
    const int status = parse_and_run(argc, argv);
    if (group) group->finish();
    return std::fflush(stdout) != 0 || std::ferror(stdout) ? complain(unwritten, ExitStatus::bad_input) : status;
  } catch (const DataError& error) {
    return complain(error.what(), ExitStatus::bad_input);  // begins with the file's name, so that editors find it
  } catch (const UsageError& error) {
    return complain(from_program(error.what()), ExitStatus::bad_input);
  } catch (const DeviceError& error) {
    return complain(from_program(without_place(error.what())), ExitStatus::bad_input);
  } catch (const OutOfMemoryError& error) {
    return complain(from_program(without_place(error.what())), ExitStatus::bad_input);
  } catch (const ValueError& error) {
    return complain(from_program(without_place(error.what())), ExitStatus::bad_input);
  } catch (const std::bad_alloc&) {
    return complain(from_program("no memory is left"), ExitStatus::bad_input);
  } catch (const std::exception& error) {
    // Of much output a part is written, or refused, before the end.
    if (std::ferror(stdout)) return complain(unwritten, ExitStatus::bad_input);
    return complain(from_program(error.what()), ExitStatus::failure);
  }
}

}  // namespace fovea::train
