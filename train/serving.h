#pragma once

#include <chrono>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "fovea/train/batcher.h"
#include "fovea/train/http_server.h"
#include "fovea/train/trained_model.h"

namespace fovea::train {

/// How a model is served: the options of `serve`.
struct ServingOptions {
  HttpServerOptions http;
  int64_t batch_size = 32;
  double batch_wait = 0;  // milliseconds
  int64_t queue = 1024;   // inputs

  void declare(OptionTable& options);
};

/// What was served.
struct ServingCounts {
  int64_t requests = 0;  // to predict
  int64_t refused = 0;   // of them, for whatever reason
  int64_t inputs = 0;    // that were predicted
  int64_t batches = 0;

  std::string to_json() const;
};

/// Answers the requests that `serve --help` tells of.
class PredictionService {
 public:
  PredictionService(TrainedModel& trained, std::string program, std::string device, const ServingOptions& options);

  /// The answer to a request, once the batches that hold its inputs are worked off; any thread may ask.
  HttpResponse respond(const HttpRequest& request);
  /// Works a batch off, or returns false where nobody asked for `patience`. For the model's thread.
  bool work(std::chrono::milliseconds patience);

  ServingCounts counts() const;

 private:
  HttpResponse predict(const HttpRequest& request);
  std::vector<Answer> answer(std::span<const Question> questions);
  std::string describe_model() const;
  std::string health() const;

  TrainedModel& trained_;
  std::string program_;
  std::string device_;
  ServingOptions options_;
  std::string input_kind_;
  std::vector<std::string> media_types_;
  std::string model_;  // what GET /model answers
  Batcher batcher_;
  mutable std::mutex mutex_;
  ServingCounts counts_;
};

/// Serves until Ctrl-C or SIGTERM, answers what has come by then, and returns what was served. Says on standard output
/// where it listens, unless `run` is quiet. Throws UsageError where it cannot listen.
ServingCounts serve(TrainedModel& trained, const std::string& program, const ServingOptions& options,
                    const RunOptions& run);

}  // namespace fovea::train
