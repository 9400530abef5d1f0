#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace fovea::test {

struct Reply {
  int status = 0;
  std::string head;
  std::string body;
};

/// A connection to a server on this machine, by sockets alone.
class Connection {
 public:
  explicit Connection(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(socket_);
      throw std::runtime_error("nobody listens at port " + std::to_string(port));
    }
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(socket_); }

  void send(const std::string& text) const {
    for (size_t sent = 0; sent < text.size();) {
      const ssize_t count = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) throw std::runtime_error("the server closed the connection");
      sent += static_cast<size_t>(count);
    }
  }

  /// The next reply; its body has a length.
  Reply receive() {
    size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) more();
    Reply reply{std::atoi(buffer_.c_str() + buffer_.find(' ')), buffer_.substr(0, end), {}};
    const size_t length_at = reply.head.find("Content-Length: ");
    const size_t length = length_at == std::string::npos ? 0 : std::stoul(reply.head.substr(length_at + 16));
    while (buffer_.size() < end + 4 + length) more();
    reply.body = buffer_.substr(end + 4, length);
    buffer_.erase(0, end + 4 + length);
    return reply;
  }

 private:
  void more() {
    char bytes[4096];
    const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) throw std::runtime_error("the server closed the connection");
    buffer_.append(bytes, static_cast<size_t>(count));
  }

  int socket_;
  std::string buffer_;
};

inline std::string request_text(const std::string& method, const std::string& path, const std::string& body,
                                const std::string& type = "application/json") {
  return method + ' ' + path + " HTTP/1.1\r\nHost: here\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline Reply ask(int port, const std::string& method, const std::string& path, const std::string& body = {},
                 const std::string& type = "application/json") {
  Connection connection(port);
  connection.send(request_text(method, path, body, type));
  return connection.receive();
}

}  // namespace fovea::test
