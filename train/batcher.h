#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace fovea::train {

/// An example that somebody wants to be told of.
struct Question {
  std::string content;  // as ClassifierTask::set_contents takes it
  bool explain = false;
};

struct Answer {
  std::string text;      // what was asked for, or what is wrong with the question
  bool refused = false;  // the latter
};

struct BatcherOptions {
  int64_t batch_size = 32;                  // questions that are worked on together, at most
  std::chrono::duration<double> wait = {};  // after the first one, for others to come
  int64_t capacity = 1024;                  // questions that may wait
  std::function<bool()> hurry = {};         // asked again and again: whether no others are to be waited for
};

/// Collects what many threads ask, so that one thread answers it in batches. Questions are answered in the order in which
/// they came.
class Batcher {
 public:
  using Work = std::function<std::vector<Answer>(std::span<const Question>)>;

  /// Throws ValueError where an option is not positive.
  explicit Batcher(const BatcherOptions& options);

  /// Waits for the answers, one for each question; none where they find no room. Any thread may ask. Throws what the work
  /// threw.
  std::vector<Answer> ask(std::vector<Question> questions);
  /// How many questions wait.
  int64_t waiting() const;

  /// Answers a batch, or returns false where nobody asked for `patience`. For one thread.
  bool work(const Work& work, std::chrono::milliseconds patience);

 private:
  /// What one thread asked.
  struct Request {
    std::vector<Question> questions;
    std::vector<Answer> answers = {};
    size_t taken = 0;  // questions that are no longer in the queue
    size_t answered = 0;
    std::exception_ptr error = nullptr;
    std::condition_variable done = {};
  };
  /// The questions of a request that a batch holds.
  struct Share {
    Request* request;
    size_t begin;
    size_t count;
  };
  std::vector<Share> take();

  BatcherOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<Request*> requests_;  // with questions in the queue
  int64_t waiting_ = 0;
};

}  // namespace fovea::train
