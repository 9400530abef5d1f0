#include "fovea/train/interrupt.h"

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>

namespace fovea::train {
namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};
std::atomic<bool> requested_flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a handler of signals writes it");
std::mutex mutex;  // of what follows
std::array<struct sigaction, signals.size()> before;
int guards = 0;

extern "C" void on_signal(int) { requested_flag = true; }

}  // namespace

InterruptGuard::InterruptGuard() {
  const std::lock_guard lock(mutex);
  if (guards++ > 0) return;
  requested_flag = false;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &before[i]);
}

InterruptGuard::~InterruptGuard() {
  const std::lock_guard lock(mutex);
  if (--guards > 0) return;
  for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before[i], nullptr);
}

bool InterruptGuard::requested() { return requested_flag; }

}  // namespace fovea::train
