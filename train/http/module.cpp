// The one source that knows the HTTP library: see functions.h.
#include "functions.h"

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace fovea::train {
namespace {

constexpr const char* json_type = "application/json";
constexpr int backlog = 512;          // connections that the system keeps until a thread takes them
constexpr int kept_requests = 10000;  // of one connection

/// "Image/PNG; x=1" -> "image/png".
std::string media_type(const std::string& header) {
  std::string type = header.substr(0, header.find(';'));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& c : type) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return type;
}

/// What only some versions of the library ask of a stream.
struct AnyStream : httplib::Stream {
  virtual bool is_writable() const { return true; }  // the write waits
  virtual bool wait_readable() const { return true; }
  virtual bool wait_writable() const { return true; }
  virtual time_t duration() const { return 0; }
};

/// A client's connection. The library would wait for each byte anew; here a request ends that keeps its thread waiting
/// for longer than its length explains, that is too long, or that is not done a while after the server was to stop.
class Connection final : public AnyStream {
 public:
  using Clock = std::chrono::steady_clock;

  /// `last` is when the server stops whatever is going on.
  Connection(socket_t socket, size_t most_bytes, const std::atomic<Clock::time_point>& last)
      : socket_(socket), most_bytes_(most_bytes), last_(last) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override {
    ::shutdown(socket_, SHUT_RDWR);
    ::close(socket_);
  }

  /// Waits for the first byte of the next request.
  bool await_request() {
    moved_ = 0;
    waited_ = {};
    if (begin_ < end_) return true;
    // One that is told to stop still answers what has come.
    const auto until = Clock::now() + idle;
    do {
      if (ready(POLLIN, std::min<Clock::duration>(slice, until - Clock::now()))) return true;
    } while (Clock::now() < until && last_.load() == Clock::time_point::max());
    return false;
  }
  bool failed() const { return failed_; }

  ssize_t read(char* to, size_t size) override {
    if (begin_ == end_) {
      if (moved_ > most_bytes_ || !wait(POLLIN)) return fail();
      const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
      if (count <= 0) return count == 0 ? 0 : fail();
      moved_ += static_cast<size_t>(count);
      begin_ = 0;
      end_ = static_cast<size_t>(count);
    }
    const size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    if (!wait(POLLOUT)) return fail();
    const ssize_t count = ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? write(from, size) : fail();
    moved_ += static_cast<size_t>(count);
    return count;
  }
  bool is_readable() const override { return begin_ < end_ || ready(POLLIN, {}); }
  socket_t socket() const override { return socket_; }
  // Nobody asks who it is.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}

 private:
  bool ready(short events, Clock::duration patience) const {
    pollfd each{socket_, events, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
    return ::poll(&each, 1, static_cast<int>(std::max<int64_t>(left, 0))) > 0;
  }
  /// Counts how long it was waited for.
  bool wait(short events) {
    const auto most = grace + std::chrono::milliseconds(moved_ / least_bytes_a_millisecond);
    while (waited_ < most) {
      const auto start = Clock::now();
      const bool done = ready(events, slice);
      waited_ += Clock::now() - start;
      if (done) return true;
      if (Clock::now() >= last_.load()) return false;
    }
    return false;
  }
  ssize_t fail() {
    failed_ = true;
    return -1;
  }

  static constexpr std::chrono::seconds idle{2};  // after which a connection that asks nothing is closed
  static constexpr std::chrono::seconds grace{5};
  static constexpr std::chrono::milliseconds slice{50};
  static constexpr size_t least_bytes_a_millisecond = 16;

  socket_t socket_;
  size_t most_bytes_;
  const std::atomic<Clock::time_point>& last_;
  std::array<char, 4096> buffer_;
  size_t begin_ = 0, end_ = 0;
  size_t moved_ = 0;          // bytes, of the request and its answer
  Clock::duration waited_{};  // for them
  bool failed_ = false;
};

class Listener : public httplib::Server {
 public:
  explicit Listener(size_t max_body) : most_bytes_(2 * max_body + (size_t{1} << 20)) {}

  /// The library keeps five waiting connections; a further one would be tried again by its client after a second.
  void deepen_backlog() { ::listen(svr_sock_, backlog); }
  /// Takes no more requests; those that have come have a while to be read and answered.
  void stop_soon() {
    last_ = Connection::Clock::now() + last_wait;
    stop();
  }

 private:
  static constexpr std::chrono::seconds last_wait{2};

  bool process_and_close_socket(socket_t socket) override {
    Connection connection(socket, most_bytes_, last_);
    for (int left = kept_requests; left > 0 && connection.await_request(); --left) {
      const bool last = left == 1 || last_.load() != Connection::Clock::time_point::max();
      if (!process(*this, connection, last) || connection.failed()) return false;
    }
    return true;
  }
  /// Whether another request may follow on the connection.
  template <class Self>
  static bool process(Self& self, httplib::Stream& stream, bool last) {
    bool closed = false;
    const std::function<void(httplib::Request&)> none;
    if constexpr (requires { self.process_request(stream, last, closed, none); }) {
      return self.process_request(stream, last, closed, none) && !closed && !last;
    } else {  // the library's versions from 0.16 on
      return self.process_request(stream, "", 0, "", 0, last, closed, none) && !closed && !last;
    }
  }

  size_t most_bytes_;
  std::atomic<Connection::Clock::time_point> last_ = Connection::Clock::time_point::max();
};

class HttplibServer final : public HttpServer {
 public:
  HttplibServer(const HttpServerOptions& options, Handler handler)
      : handler_(std::move(handler)), max_body_(static_cast<size_t>(options.max_body)), server_(max_body_) {
    server_.new_task_queue = [count = static_cast<size_t>(options.connections)] {
      return new httplib::ThreadPool(count);  // the library deletes it
    };
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
    server_.stop_soon();
    if (thread_.joinable()) thread_.join();
  }

 private:
  /// Reads the body whole, also one that is somewhat too long: the next request of the connection stands behind it.
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
