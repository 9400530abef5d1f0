#pragma once

#include <sys/types.h>

#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace fovea::test {

/// A program's arguments.
using Words = std::vector<std::string>;

/// The words of a line, between its spaces.
inline Words words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), std::istream_iterator<std::string>()};
}

inline Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// What a program left behind.
struct Finished {
  int status;  // as a shell tells it: 128 and the signal's number where one ended it
  std::string out;
  std::string error;
  size_t peak_bytes = 0;  // the most memory that it held
};

/// An example's program, run as a user runs it.
class Program {
 public:
  Program(const std::string& path, std::vector<std::string> arguments, const std::string& input = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// The next line of its output, once it has printed it; none when it has ended.
  std::optional<std::string> line();
  /// Memory that it holds now, in bytes.
  size_t resident_bytes() const;
  void signal(int number) const;
  pid_t id() const { return id_; }
  /// Reads no more of its output, as `| head` does.
  void stop_reading() { out_.reset(); }
  /// Waits until it has ended.
  Finished finish();

 private:
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

  File input_, out_, error_;
  std::string seen_;
  pid_t id_ = -1;
};

Finished run(const std::string& path, std::vector<std::string> arguments, const std::string& input = {});

}  // namespace fovea::test
