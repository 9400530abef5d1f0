// The one source that knows the HTTP library: see functions.h.
#include "functions.h"

#include <httplib.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace fovea::train {
namespace {

constexpr const char* json_type = "application/json";
constexpr int backlog = 512;          // connections that the system keeps until a thread takes them
constexpr int idle_seconds = 2;       // after which a connection that asks nothing is closed
constexpr int kept_requests = 10000;  // of one connection

/// "Image/PNG; x=1" -> "image/png".
std::string media_type(const std::string& header) {
  std::string type = header.substr(0, header.find(';'));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& c : type) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return type;
}

class Listener : public httplib::Server {
 public:
  /// The library keeps five waiting connections; a further one would be tried again by its client after a second.
  void deepen_backlog() { ::listen(svr_sock_, backlog); }
};

class HttplibServer final : public HttpServer {
 public:
  HttplibServer(const HttpServerOptions& options, Handler handler)
      : handler_(std::move(handler)), max_body_(static_cast<size_t>(options.max_body)) {
    server_.new_task_queue = [count = static_cast<size_t>(options.connections)] {
      return new httplib::ThreadPool(count);  // the library deletes it
    };
    server_.set_keep_alive_timeout(idle_seconds);
    server_.set_keep_alive_max_count(kept_requests);
    server_.set_tcp_nodelay(true);
    // By default two servers could listen at one port, and share its requests.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    const auto plain = [this](const httplib::Request& request, httplib::Response& response) {
      answer(request, {}, false, response);
    };
    const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                  const httplib::ContentReader& reader) { read_and_answer(request, response, reader); };
    server_.Get(".*", plain).Options(".*", plain);
    server_.Post(".*", with_body).Put(".*", with_body).Patch(".*", with_body).Delete(".*", with_body);
    server_.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      const std::string status = std::to_string(response.status);
      response.set_content("{\"error\":\"the request cannot be read (status " + status + ")\"}", json_type);
    });
    server_.set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, std::exception_ptr) { response.status = 500; });
  }
  ~HttplibServer() override { stop(); }

  /// Whether it could; else errno tells why not, 0 where there is no such address.
  bool listen(const HttpServerOptions& options) {
    errno = 0;
    const auto wanted = static_cast<int>(options.port);
    port_ = wanted == 0                                  ? server_.bind_to_any_port(options.host)
            : server_.bind_to_port(options.host, wanted) ? wanted
                                                         : -1;
    if (port_ < 0) return false;
    server_.deepen_backlog();
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
    return true;
  }

  int64_t port() const override { return port_; }
  void stop() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  /// Reads the body whole, also one that is too long: the next request of the connection stands behind it.
  void read_and_answer(const httplib::Request& request, httplib::Response& response,
                       const httplib::ContentReader& reader) {
    std::string body;
    bool too_long = false;
    const auto collect = [&](const char* data, size_t size) {
      too_long = too_long || body.size() + size > max_body_;
      if (!too_long) body.append(data, size);
      return true;
    };
    const bool read = request.is_multipart_form_data()
                          ? reader([](const httplib::MultipartFormData&) { return true; }, collect)
                          : reader(collect);
    if (!read) return;  // the library has set a status
    answer(request, too_long ? std::string() : std::move(body), too_long, response);
  }

  void answer(const httplib::Request& request, std::string body, bool too_long, httplib::Response& response) const {
    const HttpResponse answer = handler_({.method = request.method,
                                          .path = request.path,
                                          .content_type = media_type(request.get_header_value("Content-Type")),
                                          .body = std::move(body),
                                          .too_long = too_long,
                                          .explain = request.get_param_value("explain") == "true"});
    response.status = answer.status;
    if (answer.status == 503) response.set_header("Retry-After", "1");
    response.set_content(answer.body, json_type);
  }

  Handler handler_;
  size_t max_body_;
  Listener server_;
  int port_ = -1;
  std::thread thread_;
};

}  // namespace
}  // namespace fovea::train

extern "C" __attribute__((visibility("default"))) void fovea_start_http_server(
    const fovea::train::HttpServerOptions& options, fovea::train::HttpServer::Handler handler,
    std::unique_ptr<fovea::train::HttpServer>& server, std::string& error) {
  auto made = std::make_unique<fovea::train::HttplibServer>(options, std::move(handler));
  if (made->listen(options)) {
    server = std::move(made);
  } else {
    error = errno != 0 ? std::strerror(errno) : "there is no such address";
  }
}
