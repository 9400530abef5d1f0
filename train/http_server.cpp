#include "fovea/train/http_server.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/train/options.h"

#ifdef FOVEA_HTTPLIB
#include <httplib.h>
#endif

namespace fovea::train {

std::string error_json(const std::string& message) {
  return nlohmann::ordered_json{{"error", message}}.dump(-1, ' ', false,
                                                         nlohmann::ordered_json::error_handler_t::replace);
}

#ifdef FOVEA_HTTPLIB
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

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpServerOptions& options, Handler handler)
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
      response.set_content(error_json(fmt::format("the request cannot be read (status {})", response.status)),
                           json_type);
    });
    server_.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr error) {
      response.status = 500;
      try {
        std::rethrow_exception(error);
      } catch (const std::exception& known) {
        response.set_content(error_json(known.what()), json_type);
      } catch (...) {
        response.set_content(error_json("an unknown error"), json_type);
      }
    });

    errno = 0;
    const auto wanted = static_cast<int>(options.port);
    port_ = wanted == 0                                  ? server_.bind_to_any_port(options.host)
            : server_.bind_to_port(options.host, wanted) ? wanted
                                                         : -1;
    if (port_ < 0) {
      const std::string reason = errno != 0 ? std::strerror(errno) : "there is no such address";
      refuse("cannot listen at {} port {}: {}", options.host, options.port, reason);
    }
    server_.deepen_backlog();
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }

  ~Impl() { stop(); }

  void stop() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

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

#else

struct HttpServer::Impl {
  int port_ = -1;
  void stop() {}
};

#endif

HttpServer::HttpServer([[maybe_unused]] const HttpServerOptions& options, [[maybe_unused]] Handler handler) {
#ifdef FOVEA_HTTPLIB
  impl_ = std::make_unique<Impl>(options, std::move(handler));
#else
  refuse("this build cannot serve: it was made without the library cpp-httplib (libcpp-httplib-dev)");
#endif
}

HttpServer::~HttpServer() = default;
int64_t HttpServer::port() const { return impl_->port_; }
void HttpServer::stop() { impl_->stop(); }

}  // namespace fovea::train
