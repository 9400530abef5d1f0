#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "fovea/autograd/graph.h"

namespace fovea::autograd {

/// What a recorded step does to the gradients of leaves beyond its kernels: which tensors become their gradients, and
/// whether it began with those that were there.
class GradientLog {
 public:
  /// `arguments` are what the step was given; a leaf among them is another one in each run.
  explicit GradientLog(std::span<const Tensor> arguments);
  ~GradientLog();
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

  /// Whether the leaves have such gradients as they had when the recording began, where it made use of that: in any
  /// memory, unless someone beside the leaf held them.
  bool fits(std::span<const Tensor> arguments) const;
  /// How many gradients the step adds to; it is given their memory.
  size_t given() const { return given_; }
  /// Readies it for one more run. A gradient that someone else holds by now stays as it is: `replace` gives the step
  /// other memory for the next. `give` is told the place and the memory of each gradient that the step adds to.
  void begin_run(std::span<const Tensor> arguments, const std::function<void(const Buffer*, const BufferRef&)>& replace,
                 const std::function<void(size_t, const BufferRef&)>& give);

  /// To be called where a run has ended by an error. Leaves whose gradients it would have replaced and had not yet have none
  /// from then on: what they had may be overwritten, and a step that begins with zero_grad() leaves none either.
  void abandon_run();

  /// To be called before a leaf's gradient is looked at or added to, and where it becomes another tensor.
  static void read(const std::shared_ptr<LeafState>& leaf);
  static void changed(const std::shared_ptr<LeafState>& leaf);

 private:
  struct Leaf {
    std::shared_ptr<LeafState> state;
    size_t argument;      // its place among the arguments, where it is one
    bool read_first;      // what it had before was made use of
    View before;          // that; of no buffer where it had none. The buffer is the last run's
    int64_t place;        // of its memory among what runs are given, or -1
    BufferRef held = {};  // its memory, where it must be that
    const TensorImpl* impl = nullptr;
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
  const Tensor& gradient_of(const Leaf& leaf, std::span<const Tensor> arguments) const;
  bool is_held_elsewhere(const Leaf& leaf) const;
  bool is_held_elsewhere(const Made& made) const;

  std::atomic<std::thread::id> owner_;  // the thread that runs the step
  std::vector<std::shared_ptr<LeafState>> arguments_;
  std::vector<Leaf> leaves_;
  std::vector<Made> made_;
  size_t given_ = 0;
  size_t delivered_ = 0;  // of made_, in the run that goes on
};

}  // namespace fovea::autograd
