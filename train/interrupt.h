#pragma once

namespace fovea::train {

/// While it lives, the first Ctrl-C (SIGINT) or SIGTERM only sets `requested`, so that a loop can finish its step and
/// save; a second one ends the process as usual. Within another one, or beside one of another thread, it changes nothing.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool requested();
};

}  // namespace fovea::train
