#include <fmt/format.h>

#include "fovea/data/random_stream.h"
#include "fovea/data/string_index.h"
#include "fovea/train/interrupt.h"
#include "fovea/train/options.h"
#include "fovea/train/trainer.h"

// A Trainer that is one of several ranks.
namespace fovea::train {
namespace {

uint64_t hash_of(uint64_t hash, const Tensor& tensor) {
  const Tensor dense = raw::contiguous(tensor.detach());
  std::string bytes(static_cast<size_t>(dense.numel()) * size_of(dense.dtype()), '\0');
  const auto offset = static_cast<size_t>(dense.view().offset) * size_of(dense.dtype());
  if (!bytes.empty()) dense.backend().read(*dense.buffer(), offset, bytes.data(), bytes.size());
  return hash * 0x9e3779b97f4a7c15u + data::hash_bytes(bytes);
}

}  // namespace

/// Each rank draws random numbers of its own, which depend on nothing that came before.
void Trainer::begin_shared_step() {
  boundary_ = Boundary{batch_, default_generator()};
  const uint64_t own = data::epoch_seed(seed_, options_.group->rank());
  default_generator() = {.seed = data::epoch_seed(own, step_), .offset = 0};
}

/// Adds up over the ranks: gradients, what the step counted, what BatchNorm noted, and the wish to stop. Returns the
/// weight of the gradients in all.
double Trainer::share(double weight) {
  const Sums own = read_unread();
  std::vector<double> sums{
      weight, own.loss, own.correct, own.examples, InterruptGuard::requested() ? 1.0 : 0.0, late_ ? 1.0 : 0.0};
  const size_t counts = sums.size();
  for (const Tensor& buffer : buffers_) {
    const auto values = buffer.to_vector<double>();
    sums.insert(sums.end(), values.begin(), values.end());
  }
  reducer_->finish(sums);
  count({sums[1], sums[2], sums[3]});
  must_end_ = sums[4] > 0;
  must_end_late_ = sums[5] > 0;
  share_buffers(std::span(sums).subspan(counts));
  return sums[0];
}

void Trainer::share_buffers(std::span<const double> sums) {
  for (const Tensor& buffer : buffers_) {
    std::vector<float> means;
    for (const double sum : sums.first(static_cast<size_t>(buffer.numel()))) {
      means.push_back(static_cast<float>(sum / options_.group->size()));
    }
    sums = sums.subspan(means.size());
    raw::copy(from_vector(means, buffer.shape(), buffer.device()), buffer);
    ++buffer.buffer()->version;
  }
}

uint64_t Trainer::hash_of_state() const {
  uint64_t hash = data::hash_bytes(options_.run) + static_cast<uint64_t>(step_);
  for (const auto& [name, tensor] : model_.state_dict()) hash = hash_of(hash, tensor);
  return hash;
}

void Trainer::check_agreement(uint64_t own, const char* what) const {
  const std::vector<uint64_t> all = all_gather<uint64_t>(*options_.group, std::span(&own, 1));
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank] != all[0]) refuse("rank {} has {} rank 0", rank, what);
  }
}

/// A step that was not finished has changed no weight: what is saved is the end of the one before.
void Trainer::give_up(const RanksLostError& error) {
  if (options_.checkpoint.empty()) throw error;
  unread_.clear();
  if (boundary_) {
    batch_ = boundary_->batch;
    default_generator() = boundary_->random;
  }
  earlier_seconds_ = seconds_of_epoch();
  epoch_start_ = Clock::now();
  save();
  throw RanksLostError(
      fmt::format("{}; saved behind step {}, the same command with --resume goes on", error.what(), step_));
}

}  // namespace fovea::train
