#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "fovea/backends/recording.h"

namespace fovea {
struct TensorImpl;
}

// What captured steps depend on without being given it, and what tells them that it has changed.
namespace fovea::autograd {

/// Counts every change of what follows; a step whose plan was compared with all of it since needs to look at nothing.
uint64_t step_changes();
void count_step_change();

/// To be called where a tensor becomes another one to the graph: begins or ceases to want a gradient, has a hook more or
/// less. Captured steps that use its memory record anew, until the same `kind` is marked again, which takes it back.
void mark_changed(const TensorImpl& impl, uint64_t kind);

/// A mode that a captured step may depend on: its plans for different modes are kept apart.
class StepMode {
 public:
  explicit StepMode(bool on) : on_(on) {}
  StepMode(const StepMode&) = delete;
  StepMode& operator=(const StepMode&) = delete;

  bool get() const {
    if (detail::recordings.load(std::memory_order_relaxed) != 0) note();
    return on_;
  }
  void set(bool on);

  /// The modes that a step looked at or changed while it was recorded, as they were before.
  class Log {
   public:
    /// While it lives, the modes of this thread's recorded step go into a log.
    class Scope {
     public:
      explicit Scope(Log& log);
      ~Scope();
      Scope(const Scope&) = delete;
      Scope& operator=(const Scope&) = delete;

     private:
      Log* outer_;
    };
    /// Whether all are again as they were.
    bool holds() const;

   private:
    friend class StepMode;
    std::vector<std::pair<std::shared_ptr<const std::atomic<bool>>, bool>> before_;
  };

 private:
  void note() const;

  bool on_;
  mutable std::shared_ptr<std::atomic<bool>> shared_;  // with the logs that it stands in: it may die before them
};

}  // namespace fovea::autograd
