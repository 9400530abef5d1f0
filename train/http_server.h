#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

// The one door to the HTTP library, which only the module behind it knows.
namespace fovea::train {

struct HttpRequest {
  std::string method;
  std::string path;          // without what stands behind a question mark
  std::string content_type;  // in lower case, without parameters: "application/json"
  std::string body;
  bool too_long = false;  // the body, which is empty then
  bool explain = false;   // ?explain=true
};

struct HttpResponse {
  int status = 200;
  std::string body;  // JSON
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int64_t port = 8080;         // 0: any that is free
  int64_t connections = 64;    // that are served at once, each by a thread; others wait
  int64_t max_body = 1 << 24;  // bytes
};

/// Answers requests of HTTP 1.1 by threads of its own, whatever the path; unreadable ones by status and a JSON object
/// with the member "error". Stops when it is destroyed.
class HttpServer {
 public:
  /// Called by many threads at once. What it throws is answered by 500.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  /// Listens from here on. Throws UsageError where it cannot, or where the build has no HTTP library.
  static std::unique_ptr<HttpServer> start(const HttpServerOptions& options, Handler handler);

  HttpServer() = default;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  virtual ~HttpServer() = default;

  virtual int64_t port() const = 0;
  /// Takes no more requests and waits until those that have come are answered.
  virtual void stop() = 0;
};

/// The JSON object that tells of an error.
std::string error_json(const std::string& message);

}  // namespace fovea::train
