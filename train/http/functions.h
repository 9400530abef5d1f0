#pragma once

#include <memory>
#include <string>

#include "fovea/train/http_server.h"

namespace fovea::train {

/// What the module libfovea_http does for the library, which loads it to serve and itself needs no HTTP library: begins to
/// listen, or says why it cannot. The module needs nothing of the library either, and `handler` throws nothing.
using StartHttpServer = void (*)(const HttpServerOptions& options, HttpServer::Handler handler,
                                 std::unique_ptr<HttpServer>& server, std::string& error);

constexpr const char* start_http_server_name = "fovea_start_http_server";

}  // namespace fovea::train
