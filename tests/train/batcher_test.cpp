#include "fovea/train/batcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "fovea/backends/error.h"

namespace fovea::train {
namespace {

using std::chrono::milliseconds;

std::vector<Question> questions_like(const std::string& name, int count) {
  std::vector<Question> questions;
  for (int i = 0; i < count; ++i) questions.push_back({name + std::to_string(i)});
  return questions;
}

std::vector<Answer> echo(std::span<const Question> questions) {
  std::vector<Answer> answers;
  for (const Question& question : questions) answers.push_back({"re " + question.content});
  return answers;
}

/// Works in a thread of its own until it goes.
class Worker {
 public:
  Worker(Batcher& batcher, Batcher::Work work)
      : thread_([this, &batcher, work = std::move(work)] {
          while (!over_) batcher.work(work, milliseconds(5));
        }) {}
  ~Worker() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

TEST(Batcher, AnswersEachQuestionOfEveryThread) {
  Batcher batcher({.batch_size = 3, .wait = milliseconds(1)});
  std::atomic<size_t> most = 0, batches = 0;
  Worker worker(batcher, [&](std::span<const Question> questions) {
    most = std::max(most.load(), questions.size());
    ++batches;
    return echo(questions);
  });
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int r = 0; r < 20; ++r) {
        const std::string name = std::to_string(t) + ':' + std::to_string(r) + ':';
        const std::vector<Answer> answers = batcher.ask(questions_like(name, 1 + r % 7));
        wrong += answers.size() != static_cast<size_t>(1 + r % 7);
        for (size_t i = 0; i < answers.size(); ++i) wrong += answers[i].text != "re " + name + std::to_string(i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(most, 3u);
  EXPECT_EQ(batcher.waiting(), 0);
}

TEST(Batcher, TellsEachAskerThatAnswersAreMissing) {
  Batcher batcher({.batch_size = 8, .wait = milliseconds(1)});
  Worker worker(batcher, [&](std::span<const Question>) { return std::vector<Answer>(1); });
  try {
    batcher.ask(questions_like("a", 3));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ValueError& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 34), "Batcher: 1 answers to 3 questions ");
  }
  EXPECT_EQ(batcher.ask(questions_like("a", 1)).size(), 1u);
}

TEST(Batcher, AFullBatchDoesNotWait) {
  Batcher batcher({.batch_size = 2, .wait = std::chrono::hours(1)});
  Worker worker(batcher, echo);
  EXPECT_EQ(batcher.ask(questions_like("a", 4)).size(), 4u);
}

TEST(Batcher, RefusesWhatFindsNoRoom) {
  Batcher batcher({.batch_size = 4, .capacity = 3});
  EXPECT_TRUE(batcher.ask(questions_like("a", 4)).empty());
  std::thread waits([&] { EXPECT_EQ(batcher.ask(questions_like("a", 2)).size(), 2u); });
  while (batcher.waiting() != 2) std::this_thread::yield();
  EXPECT_TRUE(batcher.ask(questions_like("b", 2)).empty());
  EXPECT_TRUE(batcher.work(echo, milliseconds(0)));
  waits.join();
  EXPECT_FALSE(batcher.work(echo, milliseconds(0)));
  Worker worker(batcher, echo);
  EXPECT_EQ(batcher.ask(questions_like("c", 3)).size(), 3u);
  EXPECT_THROW(Batcher({.batch_size = 0}), ValueError);
}

TEST(Batcher, WhatTheWorkThrowsComesOutWhereItWasAsked) {
  Batcher batcher({});
  bool broken = true;
  Worker worker(batcher, [&](std::span<const Question> questions) {
    if (std::exchange(broken, false)) throw DeviceError("gone");
    return echo(questions);
  });
  EXPECT_THROW(batcher.ask(questions_like("a", 2)), DeviceError);
  EXPECT_EQ(batcher.ask(questions_like("b", 1)).front().text, "re b0");
}

TEST(Batcher, HurriesWhenItIsToldTo) {
  std::atomic<bool> hurry = false;
  Batcher batcher({.batch_size = 2, .wait = std::chrono::hours(1), .hurry = [&] { return hurry.load(); }});
  Worker worker(batcher, echo);
  std::thread asks([&] { EXPECT_EQ(batcher.ask(questions_like("a", 1)).size(), 1u); });
  while (batcher.waiting() == 0) std::this_thread::yield();
  hurry = true;
  asks.join();
}

}  // namespace
}  // namespace fovea::train
