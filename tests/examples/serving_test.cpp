// Every classifier as a server: what it answers over HTTP is what `predict` says, and nothing that is sent stops it.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "fovea/train/base64.h"
#include "lone_library.h"
#include "refusal.h"
#include "server.h"
#include "trainers.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;
using train::base64;

/// Equal but for the last digits of numbers: who else is in a batch may change them.
void expect_close(const Json& a, const Json& b, const std::string& where = "") {
  if (a.is_number() && b.is_number()) {
    EXPECT_NEAR(a.get<double>(), b.get<double>(), 1e-4) << where;
  } else if (a.is_structured() && b.is_structured() && a.size() == b.size()) {
    for (const auto& [key, value] : a.items()) {
      if (a.is_object()) {
        ASSERT_TRUE(b.contains(key)) << where << '/' << key;
        expect_close(value, b[key], where + '/' + key);
      } else {
        expect_close(value, b[std::stoul(key)], where + '/' + key);
      }
    }
  } else {
    EXPECT_EQ(a, b) << where;
  }
}

class Serving : public EveryTrainer {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_HTTP();
    ASSERT_EQ(train(model, {"--epochs", "2", "--quiet"}).status, 0);
  }

  /// Some inputs as the command line takes them ...
  Words inputs() const {
    const std::string name = GetParam().name;
    if (name == "text") return {"a lovely room", "dirty", "the pool was loud and the staff quiet", ""};
    if (name == "tabular") return {R"({"x":0.5,"y":-0.25,"colour":"red"})", R"({"x":0.5,"y":0.75})", R"({"z":1})"};
    if (name == "multimodal") {
      return {R"({"x":0.5,"y":-0.25,"note":"the paint is red"})", R"({"note":"blue"})", R"({"x":-1})"};
    }
    const Kind kind = name == "image" ? pictures() : recordings();
    Words files;
    for (int i = 0; i < 3; ++i) {
      files.push_back(folder.write("input_" + std::to_string(i) + kind.ending, kind.content(i % 2, 70 + i)));
    }
    return files;
  }
  /// ... and as a request has them.
  Json served(const std::string& input) const {
    if (GetParam().name == "text") return input;
    return input.starts_with('{') ? Json::parse(input) : Json(base64(read_back(input)));
  }
  /// What `predict --json` says of them, without the inputs.
  std::vector<Json> expected(const Words& inputs) const {
    const Finished done = run(GetParam().program, Words{"predict", "--model", model, "--json", "--explain"} + inputs);
    EXPECT_EQ(done.status, 0) << done.error;
    std::vector<Json> all;
    std::istringstream lines(done.out);
    for (std::string line; std::getline(lines, line);) {
      all.push_back(Json::parse(line));
      for (const char* name : {"text", "row", "file"}) all.back().erase(name);
    }
    return all;
  }

  const std::string model = folder / "model";
};

TEST_P(Serving, ManyClientsAtOnceGetWhatPredictSays) {
  const Words words = inputs();
  const std::vector<Json> truths = expected(words);
  ASSERT_EQ(truths.size(), words.size());
  Server server(GetParam().program, model, {"--batch-size", "4", "--batch-wait", "20", "--json"});
  constexpr int clients = 8, rounds = 3;
  std::vector<std::vector<Reply>> replies(clients);
  std::vector<std::thread> threads;
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      Connection connection(server.port);
      for (int r = 0; r < rounds; ++r) {
        const Json body{{"input", served(words[static_cast<size_t>(c + r) % words.size()])}, {"explain", true}};
        connection.send(request_text("POST", "/predict", body.dump()));
        replies[static_cast<size_t>(c)].push_back(connection.receive());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t c = 0; c < clients; ++c) {
    for (size_t r = 0; r < rounds; ++r) {
      ASSERT_EQ(replies[c][r].status, 200) << replies[c][r].body;
      expect_close(Json::parse(replies[c][r].body)["predictions"], Json::array({truths[(c + r) % words.size()]}));
    }
  }

  Json all = Json::array();
  for (const std::string& input : words) all.push_back(served(input));
  const Json together = Json::parse(server.predict({{"inputs", all}, {"explain", true}}).body);
  expect_close(together["predictions"], truths);
  const Json plain = Json::parse(server.predict({{"inputs", all}}).body)["predictions"][0];
  EXPECT_EQ(plain.size(), 3u) << plain;  // label, probability, probabilities

  server.signal(SIGTERM);
  const Finished done = server.finish();
  EXPECT_EQ(done.status, 0) << done.error;
  const Json counts = last_line(done.out);
  EXPECT_EQ(counts["requests"], clients * rounds + 2);
  EXPECT_EQ(counts["refused"], 0);
  EXPECT_EQ(counts["inputs"], clients * rounds + 2 * words.size());
  EXPECT_LT(counts["batches"].get<int>(), clients * rounds) << "no two clients were served together";
}

TEST_P(Serving, TellsOfTheModel) {
  Server server(GetParam().program, model);
  const Reply described = ask(server.port, "GET", "/model");
  EXPECT_EQ(described.status, 200);
  const Json about = Json::parse(described.body);
  EXPECT_EQ(about["program"], GetParam().name + "_classifier");
  EXPECT_EQ(fmt::format("{},{}", about["classes"][0].get<std::string>(), about["classes"][1].get<std::string>()),
            GetParam().classes);
  EXPECT_EQ(about["options"]["epochs"], 2);
  const Reply health = ask(server.port, "GET", "/health");
  EXPECT_EQ(Json::parse(health.body), (Json{{"status", "ok"}, {"waiting", 0}}));
}

TEST_P(Serving, WhatIsWrongIsSaidAndTheNextOneIsServed) {
  Server server(GetParam().program, model, {"--max-body", "50000", "--queue", "8", "--json"});
  const std::string good = Json{{"input", served(inputs()[0])}}.dump();
  const std::string kind = GetParam().name == "text"        ? "a number, not a string"
                           : GetParam().classes == "no,yes" ? "a number, not an object"
                                                            : "a number, not a string of base64";
  struct Wrong {
    std::string body;
    int status;
    std::string message;
  };
  const std::string nine =
      fmt::format(R"({{"inputs": [{0},{0},{0},{0},{0},{0},{0},{0},{0}]}})", served(inputs()[0]).dump());
  const Wrong cases[]{
      {"", 400, "the body is empty"},
      {"{\"input\": ", 400, "the body is not valid JSON: byte 1"},
      {"\xff", 400, "the body is not valid JSON: byte 1"},
      {R"({"input": 1e999})", 400, "the body holds a number that is too large"},
      {"[1]", 400, "the body is an array, not an object"},
      {"{}", 400, R"(the body needs "input" or "inputs")"},
      {R"({"input": 1, "inputs": [1]})", 400, "one of the two"},
      {R"({"input": 1, "temperature": 1})", 400, R"(there is no member "temperature")"},
      {R"({"input": 1})", 400, R"("input" is )" + kind},
      {R"({"inputs": 1})", 400, R"("inputs" is a number, not an array)"},
      {R"({"inputs": []})", 400, R"("inputs" is empty)"},
      {fmt::format(R"({{"inputs": [{}, 3]}})", served(inputs()[0]).dump()), 400, "input 1 is " + kind},
      {R"({"input": 1, "explain": "yes"})", 400, R"("explain" is a string, not true or false)"},
      {std::string(30000, '['), 400, "the body is not valid JSON"},
      {R"({"input": )" + std::string(9000, '[') + std::string(9000, ']') + "}", 400, "\"input\" is an array"},
      {R"({"input": {"x": )" + std::string(9000, '[') + std::string(9000, ']') + "}}", 400, "input"},
      {std::string(50001, ' '), 413, "the body is longer than 50000 bytes"},
      {nine, 413, "9 inputs are more than the queue of 8 holds"}};
  Connection connection(server.port);
  for (const Wrong& wrong : cases) {
    SCOPED_TRACE(wrong.body.substr(0, 80));
    connection.send(request_text("POST", "/predict", wrong.body));
    const Reply reply = connection.receive();
    EXPECT_EQ(reply.status, wrong.status);
    EXPECT_THAT(reply.head, HasSubstr("application/json"));
    EXPECT_THAT(Json::parse(reply.body)["error"].get<std::string>(), HasSubstr(wrong.message));
    // The same connection goes on.
    connection.send(request_text("POST", "/predict", good));
    EXPECT_EQ(connection.receive().status, 200);
  }

  EXPECT_EQ(ask(server.port, "GET", "/predict").status, 405);
  EXPECT_EQ(ask(server.port, "POST", "/model", "{}").status, 405);
  const Reply nowhere = ask(server.port, "POST", "/elsewhere", good);
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_THAT(nowhere.body, HasSubstr("there is no \\\"/elsewhere\\\""));
  {
    Connection mad(server.port);
    mad.send("what is this\r\n\r\n");
    EXPECT_EQ(mad.receive().status, 400);
  }
  {
    // A body in pieces counts as a whole.
    Connection chunks(server.port);
    chunks.send("POST /predict HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 60; ++i) chunks.send("3e8\r\n" + std::string(1000, ' ') + "\r\n");
    chunks.send("0\r\n\r\n");
    EXPECT_EQ(chunks.receive().status, 413);
  }
  {
    Connection form(server.port);
    form.send(request_text("POST", "/predict",
                           "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n",
                           "multipart/form-data; boundary=x"));
    EXPECT_EQ(form.receive().status, 400);
  }
  server.signal(SIGINT);
  const Finished done = server.finish();
  EXPECT_EQ(done.status, 0);
  const Json counts = last_line(done.out);
  EXPECT_EQ(counts["inputs"], std::size(cases));
  EXPECT_EQ(counts["requests"].get<size_t>() - counts["refused"].get<size_t>(), std::size(cases));
}

TEST_P(Serving, OneBadInputSpoilsNoOtherRequestOfItsBatch) {
  const std::string name = GetParam().name;
  if (name == "text") return;  // every text can be read
  const Json bad = GetParam().classes == "no,yes" ? Json{{"weight", 1}} : Json(base64("no such file"));
  const Json good = served(inputs()[0]);
  Server server(GetParam().program, model, {"--batch-size", "8", "--batch-wait", "200"});
  std::vector<Reply> replies(6);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < replies.size(); ++i) {
    threads.emplace_back([&, i] { replies[i] = server.predict({{"input", i == 2 ? bad : good}}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(replies[i].status, i == 2 ? 400 : 200) << i << ' ' << replies[i].body;
  }
  EXPECT_THAT(Json::parse(replies[2].body)["error"].get<std::string>(), HasSubstr("input 0: "));
  const Reply among = server.predict({{"inputs", {good, good, bad}}});
  EXPECT_EQ(among.status, 400);
  EXPECT_THAT(Json::parse(among.body)["error"].get<std::string>(), HasSubstr("input 2: "));
}

TEST_P(Serving, StoppedWhileBusyItAnswersWhatHasCome) {
  // The batch waits so long for others that the signal comes first.
  Server server(GetParam().program, model, {"--batch-size", "64", "--batch-wait", "60000"});
  const Json body{{"input", served(inputs()[0])}};
  std::vector<Reply> replies(5);
  std::vector<std::thread> threads;
  for (Reply& reply : replies) {
    threads.emplace_back([&] { reply = server.predict(body); });
  }
  while (Json::parse(ask(server.port, "GET", "/health").body)["waiting"] != replies.size()) std::this_thread::yield();
  server.signal(SIGTERM);
  const Finished done = server.finish();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(done.error, "");
  for (const Reply& reply : replies) EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_THAT(done.out, HasSubstr("stopped after 5 requests with 5 inputs in 1 batches"));
  EXPECT_THROW(Connection{server.port}, std::runtime_error);
}

TEST_P(Serving, AFullQueueIsSaid) {
  Server server(GetParam().program, model, {"--batch-size", "64", "--batch-wait", "3000", "--queue", "2"});
  const Json one = served(inputs()[0]);
  Reply first;
  std::thread waits([&] { first = server.predict({{"inputs", {one, one}}}); });
  while (Json::parse(ask(server.port, "GET", "/health").body)["waiting"] != 2) std::this_thread::yield();
  const Reply refused = server.predict({{"input", one}});
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.head, HasSubstr("Retry-After: 1"));
  EXPECT_THAT(refused.body, HasSubstr("too many inputs are waiting"));
  waits.join();
  EXPECT_EQ(first.status, 200);
}

TEST_P(Serving, TakesAFileAsItIs) {
  const std::string name = GetParam().name;
  if (name != "image" && name != "speech") return;  // its inputs are no files
  const Words files = inputs();
  const std::vector<Json> truths = expected(files);
  Server server(GetParam().program, model);
  const std::string type = name == "image" ? "image/png" : "Audio/WAV; rate=4000";
  const Reply reply = ask(server.port, "POST", "/predict?explain=true", read_back(files[1]), type);
  ASSERT_EQ(reply.status, 200) << reply.body;
  expect_close(Json::parse(reply.body)["predictions"], Json::array({truths[1]}));
  EXPECT_EQ(ask(server.port, "POST", "/predict", "", type).status, 400);
  EXPECT_EQ(ask(server.port, "POST", "/predict", "no file", type).status, 400);
}

INSTANTIATE_TEST_SUITE_P(Trainers, Serving, testing::ValuesIn(classifiers()), name_of);

class ServingRefusal : public testing::Test {
 protected:
  void SetUp() override {
    const std::string data = folder.write("train.csv", reviews(60));
    ASSERT_EQ(classify(Words{"train", "--train", data, "--out", model, "--epochs", "1", "--quiet"} + small).status, 0);
  }

  const TempFolder folder;
  const std::string model = folder / "model";
};

TEST_F(ServingRefusal, IsOneLineAndNothingListens) {
  SKIP_WITHOUT_HTTP();
  expect_refused(TEXT_CLASSIFIER, {"serve", "--model", folder / "none"}, folder / "none: there is no such folder",
                 folder / "");
  expect_refused(TEXT_CLASSIFIER, {"serve", "--model", model, "--port", "70000"},
                 "text_classifier: --port: 70000 is not between 0 and 65535", folder / "");
  Server first(TEXT_CLASSIFIER, model);
  expect_refused(TEXT_CLASSIFIER, {"serve", "--model", model, "--port", std::to_string(first.port)},
                 fmt::format("text_classifier: cannot listen at 127.0.0.1 port {}: Address already in use", first.port),
                 folder / "");
  first.signal(SIGTERM);
  EXPECT_EQ(first.finish().status, 0);
  Program quiet(TEXT_CLASSIFIER, {"serve", "--model", model, "--host", "127.0.0.1", "--port",
                                  std::to_string(first.port), "--device", "cpu", "--connections", "1", "--quiet"});
  const auto listens = [&] {
    try {
      return ask(first.port, "GET", "/health").status == 200;
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  while (!listens()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  quiet.signal(SIGINT);
  const Finished done = quiet.finish();
  EXPECT_EQ(done.out + done.error, "");
  expect_refused(TEXT_CLASSIFIER, {"serve", "--model", model, "--host", "no.such.host.invalid", "--port", "0"},
                 "text_classifier: cannot listen at no.such.host.invalid port 0: ", folder / "");
}

TEST_F(ServingRefusal, SlowClientsKeepNobodyWaiting) {
  SKIP_WITHOUT_HTTP();
  Server server(TEXT_CLASSIFIER, model, {"--connections", "2"});
  std::atomic<bool> over = false;
  std::vector<std::thread> drips;
  for (int i = 0; i < 2; ++i) {
    drips.emplace_back([&] {
      // A byte now and then of a request that never ends.
      const auto connection = std::make_unique<Connection>(server.port);
      try {
        connection->send("GET /health HTTP/1.1\r\nX: ");
        while (!over) {
          connection->send("x");
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
      } catch (const std::runtime_error&) {
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(ask(server.port, "GET", "/health").status, 200);
  over = true;
  for (std::thread& drip : drips) drip.join();

  // Nor do they keep it from ending.
  const Connection one(server.port), another(server.port);
  for (const Connection* each : {&one, &another}) each->send("POST /predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n{");
  const auto start = std::chrono::steady_clock::now();
  server.signal(SIGTERM);
  EXPECT_EQ(server.finish().status, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
}

TEST_F(ServingRefusal, ABodyWithoutEndIsCutOff) {
  SKIP_WITHOUT_HTTP();
  Server server(TEXT_CLASSIFIER, model, {"--max-body", "1000"});
  Connection endless(server.port);
  const auto send = [&] {
    endless.send("POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 64; ++i) endless.send("100000\r\n" + std::string(1 << 20, ' ') + "\r\n");
  };
  EXPECT_THROW(send(), std::runtime_error);
  EXPECT_EQ(ask(server.port, "GET", "/health").status, 200);
}

TEST_F(ServingRefusal, ManyMembersTakeNoLonger) {
  SKIP_WITHOUT_HTTP();
  Server server(TEXT_CLASSIFIER, model);
  std::string body = "{";
  for (int i = 0; i < 60000; ++i) body += fmt::format("{}\"k{}\":1", i > 0 ? "," : "", i);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ask(server.port, "POST", "/predict", body + "}").status, 400);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

// As where the library was built without the HTTP library, or this is no longer there.
TEST_F(ServingRefusal, SaysWhereTheModuleIsMissingOrBroken) {
  const LoneLibrary library;
  const Words serve{"serve", "--model", model, "--port", "0"};
  const Finished missing = library.run(TEXT_CLASSIFIER, serve);
  EXPECT_EQ(missing.status, 2);
  EXPECT_EQ(missing.error,
            "text_classifier: this build cannot serve: it was made without the library cpp-httplib "
            "(libfovea_http.so is not there): install libcpp-httplib-dev and build again\n");
  const std::string module = library.folder.write("libfovea_http.so", "not a library");
  const Finished broken = library.run(TEXT_CLASSIFIER, serve);
  EXPECT_EQ(broken.status, 2);
  EXPECT_EQ(broken.error, module + ": file too short\n");
}

}  // namespace
}  // namespace fovea::test
