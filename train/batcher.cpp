#include "fovea/train/batcher.h"

#include <algorithm>

#include "fovea/backends/error.h"

namespace fovea::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds slice{50};

}  // namespace

Batcher::Batcher(const BatcherOptions& options) : options_(options) {
  if (options.batch_size < 1 || options.capacity < 1 || options.wait.count() < 0) {
    raise<ValueError>(Caller(), "Batcher: batch size {}, capacity {}, wait {} s", options.batch_size, options.capacity,
                      options.wait.count());
  }
}

int64_t Batcher::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

std::vector<Answer> Batcher::ask(std::vector<Question> questions) {
  if (questions.empty()) return {};
  const auto count = static_cast<int64_t>(questions.size());
  Request request{.questions = std::move(questions)};
  request.answers.resize(static_cast<size_t>(count));
  std::unique_lock lock(mutex_);
  if (waiting_ + count > options_.capacity) return {};
  waiting_ += count;
  requests_.push_back(&request);
  asked_.notify_one();
  request.done.wait(lock, [&] { return request.answered == request.questions.size(); });
  if (request.error) std::rethrow_exception(request.error);
  return std::move(request.answers);
}

std::vector<Batcher::Share> Batcher::take() {
  std::vector<Share> shares;
  auto room = static_cast<size_t>(options_.batch_size);
  while (room > 0 && !requests_.empty()) {
    Request& request = *requests_.front();
    const size_t count = std::min(room, request.questions.size() - request.taken);
    shares.push_back({&request, request.taken, count});
    request.taken += count;
    room -= count;
    if (request.taken == request.questions.size()) requests_.pop_front();
  }
  waiting_ -= options_.batch_size - static_cast<int64_t>(room);
  return shares;
}

bool Batcher::work(const Work& work, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (!asked_.wait_for(lock, patience, [&] { return waiting_ > 0; })) return false;
  // In slices, so that a long wait ends soon when it is no longer wanted.
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(options_.wait);
  while (waiting_ < options_.batch_size && Clock::now() < until && !(options_.hurry && options_.hurry())) {
    asked_.wait_until(lock, std::min(until, Clock::now() + slice));
  }
  const std::vector<Share> shares = take();
  lock.unlock();

  // From here on askers wait for this batch: whatever fails is told to them.
  std::vector<Answer> answers;
  std::exception_ptr error;
  try {
    std::vector<Question> batch;
    for (const Share& share : shares) {
      // Nobody else reads them any more.
      const auto begin = share.request->questions.begin() + static_cast<std::ptrdiff_t>(share.begin);
      std::move(begin, begin + static_cast<std::ptrdiff_t>(share.count), std::back_inserter(batch));
    }
    answers = work(batch);
    if (answers.size() != batch.size()) {
      raise<ValueError>(Caller(), "Batcher: {} answers to {} questions", answers.size(), batch.size());
    }
  } catch (...) {
    error = std::current_exception();
  }

  lock.lock();
  auto answer = answers.begin();
  for (const Share& share : shares) {
    Request& request = *share.request;
    for (size_t i = 0; i < share.count && !error; ++i) request.answers[share.begin + i] = std::move(*answer++);
    request.answered += share.count;
    if (error) request.error = error;
    if (request.answered == request.questions.size()) request.done.notify_one();
  }
  return true;
}

}  // namespace fovea::train
