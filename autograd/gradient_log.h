#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fovea/autograd/graph.h"

namespace fovea::autograd {

/// What a recorded step does to the gradients of leaves beyond its kernels: which tensors become their gradients, and
/// whether it began with those that were there.
class GradientLog {
 public:
  /// `arguments` are what the step was given; a leaf among them is another one in each run.
  explicit GradientLog(std::span<const Tensor> arguments);
  GradientLog(const GradientLog&) = delete;
  GradientLog& operator=(const GradientLog&) = delete;

  /// While it lives, the changes of this thread's recorded step go into a log.
  class Scope {
   public:
    explicit Scope(GradientLog& log);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    GradientLog* outer_;
  };

  /// What gives leaves the gradients that they were given since the last call; null where none were.
  std::function<void()> changes();
  /// To be called where the step has ended.
  void finish();

  /// Whether the leaves have what they had when the recording began and it made use of that.
  bool fits(std::span<const Tensor> arguments) const;
  /// Readies it for one more run. A gradient that someone else holds by now stays as it is: `replace` gives the step
  /// other memory for the next.
  void begin_run(std::span<const Tensor> arguments,
                 const std::function<void(const Buffer*, const BufferRef&)>& replace);

  /// To be called before a leaf's gradient is looked at or added to, and where it becomes another tensor.
  static void read(const std::shared_ptr<LeafState>& leaf);
  static void changed(const std::shared_ptr<LeafState>& leaf);

 private:
  struct Leaf {
    std::shared_ptr<LeafState> state;
    size_t argument;       // its place among the arguments, where it is one
    bool read_first;       // what it had before was made use of
    const Buffer* before;  // the memory of that, null for none
    bool changed = false;
  };
  /// A gradient that the step makes.
  struct Made {
    size_t leaf;
    Tensor gradient;
    uint32_t references = 0;  // of its memory, where only the leaf and this log hold it
    bool stays = false;       // in its memory: what the step does on the host holds it too, or another leaf
  };

  Leaf& find(const std::shared_ptr<LeafState>& leaf, bool read);
  bool is_held_elsewhere(const Made& made) const;

  std::vector<std::shared_ptr<LeafState>> arguments_;
  std::vector<Leaf> leaves_;
  std::vector<Made> made_;
};

}  // namespace fovea::autograd
