#include "fovea/train/serving.h"

#include <fmt/format.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "fovea/data/file_error.h"
#include "fovea/train/inference.h"
#include "fovea/train/interrupt.h"
#include "fovea/train/prediction.h"
#include "fovea/train/serving_request.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds patience{50};  // after which a signal is looked for

}  // namespace

void ServingOptions::declare(OptionTable& options) {
  options.group("Server");
  options.add("host", &http.host, "address to listen at; 0.0.0.0 for every one that the machine has",
              {.placeholder = "ADDRESS", .configuration = false});
  options.add("port", &http.port, "port to listen at; 0 for any that is free",
              {.min = 0, .max = 65535, .configuration = false});
  options.add("batch-size", &batch_size, "inputs that are worked on together, whoever sent them",
              {.min = 1, .max = 1e6, .configuration = false});
  options.add(
      "batch-wait", &batch_wait,
      "milliseconds that an input waits for others to come; those that came while the model worked go together anyway",
      {.min = 0, .max = 1e6, .configuration = false});
  options.add("max-body", &http.max_body, "bytes of a request, at most",
              {.min = 1, .max = 1e12, .configuration = false});
  options.add("queue", &queue, "inputs that may wait; further ones are refused",
              {.min = 1, .max = 1e9, .configuration = false});
  options.add("connections", &http.connections, "connections that are served at once; further ones wait",
              {.min = 1, .max = 4096, .configuration = false});
}

std::string ServingCounts::to_json() const {
  return Json{{"requests", requests}, {"refused", refused}, {"inputs", inputs}, {"batches", batches}}.dump();
}

PredictionService::PredictionService(TrainedModel& trained, std::string program, std::string device,
                                     const ServingOptions& options)
    : trained_(trained),
      program_(std::move(program)),
      device_(std::move(device)),
      options_(options),
      input_kind_(trained.task->input_kind()),
      media_types_(trained.task->media_types()),
      model_(describe_model()),
      batcher_({.batch_size = options.batch_size,
                .wait = std::chrono::duration<double, std::milli>(options.batch_wait),
                .capacity = options.queue,
                .hurry = [] { return InterruptGuard::requested(); }}) {}

HttpResponse PredictionService::respond(const HttpRequest& request) {
  const bool predicts = request.path == "/predict";
  if (!predicts && request.path != "/health" && request.path != "/model") {
    return {404, error_json(fmt::format("there is no {}; there are POST /predict, GET /model and GET /health",
                                        data::in_quotes(request.path)))};
  }
  if (predicts) {
    if (request.method != "POST") return {405, error_json("/predict takes POST only")};
    HttpResponse response = predict(request);
    const std::lock_guard lock(mutex_);
    ++counts_.requests;
    if (response.status != 200) ++counts_.refused;
    return response;
  }
  if (request.method != "GET" && request.method != "HEAD") return {405, error_json(request.path + " takes GET only")};
  return {200, request.path == "/model" ? model_ : health()};
}

HttpResponse PredictionService::predict(const HttpRequest& request) {
  try {
    if (request.too_long) refuse_request(413, "the body is longer than {} bytes", options_.http.max_body);
    std::vector<Question> questions = questions_of(request, input_kind_, media_types_);
    const size_t count = questions.size();
    if (static_cast<int64_t>(count) > options_.queue) {
      refuse_request(413, "{} inputs are more than the queue of {} holds", count, options_.queue);
    }
    const std::vector<Answer> answers = batcher_.ask(std::move(questions));
    if (answers.empty()) refuse_request(503, "too many inputs are waiting; try again later");
    std::string body = R"({"predictions":[)";
    for (size_t i = 0; i < count; ++i) {
      if (answers[i].refused) refuse_request(400, "input {}: {}", i, answers[i].text);
      body += (i > 0 ? "," : "") + answers[i].text;
    }
    return {200, body + "]}"};
  } catch (const RequestError& error) {
    return {error.status, error_json(error.message)};
  }
}

bool PredictionService::work(std::chrono::milliseconds how_long) {
  return batcher_.work([this](std::span<const Question> questions) { return answer(questions); }, how_long);
}

std::vector<Answer> PredictionService::answer(std::span<const Question> questions) {
  std::vector<Answer> answers(questions.size());
  std::vector<size_t> good;
  std::vector<std::string> contents;
  for (size_t i = 0; i < questions.size(); ++i) {
    good.push_back(i);
    contents.push_back(questions[i].content);
  }
  try {
    trained_.task->set_contents(contents);
  } catch (const DataError&) {
    // Whose fault it is shows when each is read alone.
    good.clear();
    contents.clear();
    for (size_t i = 0; i < questions.size(); ++i) {
      try {
        trained_.task->set_contents(std::span(&questions[i].content, 1));
        good.push_back(i);
        contents.push_back(questions[i].content);
      } catch (const DataError& error) {
        answers[i] = {error.what(), true};
      }
    }
    if (good.empty()) return answers;
    trained_.task->set_contents(contents);
  }
  const Predictions predictions = predictions_of(trained_);
  for (size_t i = 0; i < good.size(); ++i) {
    answers[good[i]].text = prediction_json(trained_, predictions, static_cast<int64_t>(i), questions[good[i]].explain);
  }
  const std::lock_guard lock(mutex_);
  counts_.inputs += static_cast<int64_t>(good.size());
  ++counts_.batches;
  return answers;
}

std::string PredictionService::describe_model() const {
  Json object{{"program", program_}, {"classes", trained_.task->labels().names()}, {"input", input_kind_}};
  if (!media_types_.empty()) object["media_types"] = media_types_;
  object["device"] = device_;
  object["options"] = Json::parse(trained_.options);
  if (const std::string decision = trained_.decision.to_json(); decision != Decision().to_json()) {
    object["decision"] = Json::parse(decision);
  }
  return object.dump();
}

std::string PredictionService::health() const { return Json{{"status", "ok"}, {"waiting", batcher_.waiting()}}.dump(); }

ServingCounts PredictionService::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

ServingCounts serve(TrainedModel& trained, const std::string& program, const ServingOptions& options,
                    const RunOptions& run) {
  const InterruptGuard interrupt;
  PredictionService service(trained, program, to_string(run.chosen()), options);
  const auto server =
      HttpServer::start(options.http, [&](const HttpRequest& request) { return service.respond(request); });
  if (!run.quiet) {
    fmt::print("listening at http://{}:{}\n", options.http.host, server->port());
    std::fflush(stdout);
  }
  while (!InterruptGuard::requested()) service.work(patience);
  std::atomic<bool> stopped = false;
  std::thread stopping([&] {
    server->stop();
    stopped = true;
  });
  while (!stopped) service.work(patience);
  stopping.join();
  return service.counts();
}

}  // namespace fovea::train
