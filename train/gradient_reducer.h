#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fovea/tensor/tensor.h"
#include "fovea/train/process_group.h"

namespace fovea::train {

/// Adds the gradients of a model up over the ranks of a group while the backward pass still runs: dense ones lie side by
/// side in buckets, in the order in which rank 0 first completed them, and a full bucket is on its way while the next one
/// fills (Li et al. 2020, "PyTorch Distributed"). Sparse ones are exchanged by row.
///
///     GradientReducer reducer(group, model.parameters());
///     optimizer.zero_grad();
///     reducer.start();
///     loss.backward();
///     reducer.finish();
///     optimizer.step();
class GradientReducer {
 public:
  /// The parameters must be leaves of f32; the group must outlive the reducer. Throws ValueError.
  GradientReducer(ProcessGroup& group, std::vector<Tensor> parameters, size_t bucket_bytes = size_t{1} << 20,
                  Caller caller = {});
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// From here on gradients that a backward pass completes are sent: the next pass is the last before `finish`. Gradients
  /// of earlier passes take part.
  void start();
  /// Waits for the rest; without `start` it sends all. Then every gradient is the sum over the ranks, of parameters that
  /// only some ranks used too, and so is each of `numbers`.
  void finish(std::span<double> numbers = {});

 private:
  struct Bucket {
    std::vector<size_t> members;
    std::vector<float> values;
    size_t missing = 0;  // members whose gradient is not there yet
    std::unique_ptr<ProcessGroup::Pending> pending = {};
  };
  struct Slot {
    Tensor parameter;
    int64_t hook = 0;
    Bucket* bucket = nullptr;  // null until a rank had a dense gradient
    size_t begin = 0;          // in the bucket
    bool filled = false;
  };

  void arrived(size_t slot);
  void settle_last();
  void fill(size_t slot);
  void send();
  void place(const std::vector<size_t>& newcomers);
  void take_back(Bucket& bucket, std::span<const double> uses);
  std::vector<std::byte> packed_rows() const;
  void exchange_rows(std::span<const std::byte> own, std::span<const double> sizes);

  ProcessGroup& group_;
  size_t bucket_bytes_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Bucket>> buckets_;
  size_t next_ = 0;  // the bucket to send next: all ranks send them in one order
  bool started_ = false;
  std::vector<size_t> order_;  // in which gradients were completed
  static constexpr size_t none = SIZE_MAX;
  size_t last_ = none;  // has been completed but is not yet in its leaf
};

}  // namespace fovea::train
