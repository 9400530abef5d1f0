#include "fovea/train/gradient_reducer.h"

#include <algorithm>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/sparse_rows.h"
#include "fovea/tensor/creation.h"

namespace fovea::train {
namespace {

size_t count_of(const Tensor& x) { return static_cast<size_t>(x.numel()); }

/// The elements of x, which may lie anywhere.
void read_into(const Tensor& x, float* values) {
  if (x.numel() == 0) return;
  const Tensor dense = raw::contiguous(x);
  const auto offset = static_cast<size_t>(dense.view().offset) * sizeof(float);
  dense.backend().read(*dense.buffer(), offset, values, count_of(x) * sizeof(float));
}

void write_from(const float* values, const Tensor& x) {
  if (x.numel() == 0) return;
  const auto offset = static_cast<size_t>(x.view().offset) * sizeof(float);
  x.backend().write(*x.buffer(), offset, values, count_of(x) * sizeof(float));
  ++x.buffer()->version;
}

}  // namespace

GradientReducer::GradientReducer(ProcessGroup& group, std::vector<Tensor> parameters, size_t bucket_bytes,
                                 Caller caller)
    : group_(group), bucket_bytes_(bucket_bytes) {
  for (Tensor& parameter : parameters) {
    if (parameter.dtype() != f32) {
      raise<ValueError>(caller, "GradientReducer: a parameter of {}, not f32", parameter.dtype());
    }
    if (!parameter.requires_grad()) continue;
    slots_.push_back({.parameter = std::move(parameter)});
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].hook = slots_[i].parameter.register_hook([this, i](const Tensor&) {
      arrived(i);
      return Tensor();
    });
  }
}

GradientReducer::~GradientReducer() {
  for (const Slot& slot : slots_) slot.parameter.remove_hook(slot.hook);
}

void GradientReducer::start() {
  started_ = true;
  next_ = 0;
  order_.clear();
  last_ = none;
  for (Slot& slot : slots_) slot.filled = false;
  for (const auto& bucket : buckets_) bucket->missing = bucket->members.size();
}

/// A hook runs before its leaf takes the gradient in: it is there when the next one runs.
void GradientReducer::arrived(size_t slot) {
  if (!started_) return;
  settle_last();
  last_ = slot;
  order_.push_back(slot);
  for (size_t i = 0; i < next_; ++i) buckets_[i]->pending->test();  // MPI works on while it is called
}

void GradientReducer::settle_last() {
  if (last_ != none) fill(last_);
  last_ = none;
}

void GradientReducer::fill(size_t i) {
  Slot& slot = slots_[i];
  if (!slot.bucket || slot.filled) return;
  slot.filled = true;
  float* values = slot.bucket->values.data() + slot.begin;
  if (const Tensor gradient = slot.parameter.grad(); gradient.defined()) {
    read_into(gradient, values);
  } else {
    std::fill_n(values, count_of(slot.parameter), 0.0f);
  }
  --slot.bucket->missing;
  send();
}

void GradientReducer::send() {
  for (; next_ < buckets_.size() && buckets_[next_]->missing == 0; ++next_) {
    buckets_[next_]->pending = group_.start_all_reduce(buckets_[next_]->values);
  }
}

void GradientReducer::finish(std::span<double> numbers) {
  const NoGrad off;
  started_ = false;
  settle_last();
  for (size_t i = 0; i < slots_.size(); ++i) fill(i);

  // How many ranks have a dense gradient of each parameter, and how many one by rows.
  const size_t count = slots_.size();
  std::vector<double> sums(numbers.begin(), numbers.end());
  for (const Slot& slot : slots_) sums.push_back(slot.parameter.grad().defined() ? 1 : 0);
  for (const Slot& slot : slots_) sums.push_back(slot.parameter.sparse_grad() ? 1 : 0);
  group_.all_reduce(sums);
  std::copy_n(sums.begin(), numbers.size(), numbers.begin());
  const std::span<const double> dense = std::span(sums).subspan(numbers.size(), count),
                                sparse = std::span(sums).subspan(numbers.size() + count, count);

  std::vector<size_t> newcomers;
  for (size_t i = 0; i < count; ++i) {
    if (dense[i] > 0 && !slots_[i].bucket) newcomers.push_back(i);
  }
  if (!newcomers.empty()) place(newcomers);
  for (const auto& bucket : buckets_) take_back(*bucket, dense);
  for (size_t i = 0; i < count; ++i) {
    if (sparse[i] > 0) exchange_rows(slots_[i]);
  }
}

/// Gives parameters a place in new buckets, in the order in which rank 0 completed them, and sends those.
void GradientReducer::place(const std::vector<size_t>& newcomers) {
  std::vector<size_t> order = order_;
  order.insert(order.end(), newcomers.begin(), newcomers.end());
  std::vector<size_t> ours;
  for (const size_t i : order) {
    const bool is_new = std::find(newcomers.begin(), newcomers.end(), i) != newcomers.end();
    if (is_new && std::find(ours.begin(), ours.end(), i) == ours.end()) ours.push_back(i);
  }
  group_.broadcast(std::as_writable_bytes(std::span(ours)));
  Bucket* bucket = nullptr;
  for (const size_t i : ours) {
    if (!bucket || bucket->values.size() * sizeof(float) >= bucket_bytes_) {
      bucket = buckets_.emplace_back(std::make_unique<Bucket>()).get();
    }
    Slot& slot = slots_[i];
    slot.bucket = bucket;
    slot.begin = bucket->values.size();
    bucket->members.push_back(i);
    bucket->values.resize(slot.begin + count_of(slot.parameter));
    ++bucket->missing;
  }
  for (const size_t i : ours) fill(i);
}

void GradientReducer::take_back(Bucket& bucket, std::span<const double> uses) {
  bucket.pending->wait();
  bucket.pending.reset();
  for (const size_t i : bucket.members) {
    if (uses[i] == 0) continue;
    Slot& slot = slots_[i];
    Tensor gradient = slot.parameter.grad();
    if (!gradient.defined() || !gradient.is_contiguous()) {
      gradient = raw::empty(slot.parameter.shape(), slot.parameter.options());
      slot.parameter.set_grad(gradient);
    }
    write_from(bucket.values.data() + slot.begin, gradient);
  }
}

void GradientReducer::exchange_rows(Slot& slot) {
  const Tensor& parameter = slot.parameter;
  const RowSparse* own = parameter.sparse_grad();
  std::vector<int32_t> index;
  std::vector<float> values;
  if (own && own->count > 0) {
    index = autograd::row_index(*own).to_vector<int32_t>();
    values = autograd::row_values(*own, parameter).to_vector<float>();
  }
  index = all_gather<int32_t>(group_, index);
  values = all_gather<float>(group_, values);
  const Shape shape{static_cast<int64_t>(index.size()), parameter.shape()[1]};
  slot.parameter.set_sparse_grad(autograd::from_rows(from_vector(index, parameter.device()),
                                                     from_vector(values, shape, parameter.device()), parameter));
}

}  // namespace fovea::train
