#include "program.h"

#include <csignal>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace fovea::test {
namespace {

std::string read_all(std::FILE* file) {
  std::rewind(file);
  std::string text;
  for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
  return text;
}

}  // namespace

Program::Program(const std::string& path, std::vector<std::string> arguments, const std::string& input)
    : input_(std::tmpfile(), std::fclose), out_(nullptr, std::fclose), error_(std::tmpfile(), std::fclose) {
  std::fputs(input.c_str(), input_.get());
  std::rewind(input_.get());
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  out_.reset(fdopen(ends[0], "r"));

  arguments.insert(arguments.begin(), path);
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  posix_spawn_file_actions_t streams;
  posix_spawn_file_actions_init(&streams);
  posix_spawn_file_actions_adddup2(&streams, fileno(input_.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&streams, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&streams, fileno(error_.get()), STDERR_FILENO);
  const int failed = posix_spawn(&id_, path.c_str(), &streams, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&streams);
  ::close(ends[1]);
  if (failed != 0) throw std::runtime_error("cannot run " + path);
}

Program::~Program() {
  if (id_ < 0) return;
  signal(SIGKILL);
  waitpid(id_, nullptr, 0);
}

std::optional<std::string> Program::line() {
  if (!out_) return std::nullopt;
  std::string line;
  for (int c; (c = std::fgetc(out_.get())) != EOF && c != '\n';) line += static_cast<char>(c);
  if (std::feof(out_.get())) {
    seen_ += line;
    return std::nullopt;
  }
  seen_ += line + '\n';
  return line;
}

size_t Program::resident_bytes() const {
  std::ifstream statm("/proc/" + std::to_string(id_) + "/statm");
  size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

void Program::signal(int number) const { kill(id_, number); }

Finished Program::finish() {
  while (line()) continue;
  int status = 0;
  rusage usage{};
  wait4(id_, &status, 0, &usage);
  id_ = -1;
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), seen_, read_all(error_.get()),
          static_cast<size_t>(usage.ru_maxrss) * 1024};
}

Finished run(const std::string& path, std::vector<std::string> arguments, const std::string& input) {
  return Program(path, std::move(arguments), input).finish();
}

}  // namespace fovea::test
