#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "http_client.h"
#include "json.h"
#include "program.h"

// What the tests of `serve` share.
namespace fovea::test {

/// A program that serves a model.
class Server {
 public:
  Server(const std::string& program, const std::string& model, const Words& flags = {})
      : program_(program, Words{"serve", "--model", model, "--port", "0", "--threads", "1"} + flags) {
    const auto line = program_.line();
    if (!line) throw std::runtime_error(program_.finish().error);
    if (line->rfind("listening at http://127.0.0.1:", 0) != 0) throw std::runtime_error(*line);
    port = std::stoi(line->substr(line->rfind(':') + 1));
  }

  Reply predict(const Json& body) const { return ask(port, "POST", "/predict", body.dump()); }
  void signal(int number) const { program_.signal(number); }
  Finished finish() { return program_.finish(); }

  int port;

 private:
  Program program_;
};

#define SKIP_WITHOUT_HTTP() \
  if (!FOVEA_SERVES) GTEST_SKIP() << "skipped: cpp-httplib (libcpp-httplib-dev) is not installed"

}  // namespace fovea::test
