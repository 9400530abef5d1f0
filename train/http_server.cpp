#include "fovea/train/http_server.h"

#include <nlohmann/json.hpp>

#include "fovea/data/library_module.h"
#include "fovea/train/http/functions.h"
#include "fovea/train/json_text.h"
#include "fovea/train/options.h"

namespace fovea::train {

std::string error_json(const std::string& message) { return json_text(nlohmann::ordered_json{{"error", message}}); }

std::unique_ptr<HttpServer> HttpServer::start(const HttpServerOptions& options, Handler handler) {
  const std::string module = "libfovea_http.so";
  void* found = data::load_library_module(module, start_http_server_name, data::ModuleScope::own);
  if (!found) {
    refuse(
        "this build cannot serve: it was made without the library cpp-httplib ({} is not there): install "
        "libcpp-httplib-dev and build again",
        module);
  }
  std::unique_ptr<HttpServer> server;
  std::string error;
  reinterpret_cast<StartHttpServer>(found)(
      options,
      [handler = std::move(handler)](const HttpRequest& request) -> HttpResponse {
        try {
          return handler(request);
        } catch (const std::exception& known) {
          return {500, error_json(known.what())};
        } catch (...) {
          return {500, error_json("an unknown error")};
        }
      },
      server, error);
  if (!server) refuse("cannot listen at {} port {}: {}", options.host, options.port, error);
  return server;
}

}  // namespace fovea::train
