#include "fovea/train/interrupt.h"

#include <array>
#include <csignal>

namespace fovea::train {
namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};
volatile std::sig_atomic_t requested_flag = 0;
std::array<struct sigaction, signals.size()> before;
int guards = 0;

extern "C" void on_signal(int) { requested_flag = 1; }

}  // namespace

InterruptGuard::InterruptGuard() {
  if (guards++ > 0) return;
  requested_flag = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &before[i]);
}

InterruptGuard::~InterruptGuard() {
  if (--guards > 0) return;
  for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before[i], nullptr);
}

bool InterruptGuard::requested() { return requested_flag != 0; }

}  // namespace fovea::train
