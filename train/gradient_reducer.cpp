#include "fovea/train/gradient_reducer.h"

#include <algorithm>
#include <map>

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
  if (!started_) start();
  started_ = false;
  settle_last();
  for (size_t i = 0; i < slots_.size(); ++i) fill(i);

  // With the numbers: how many ranks have a dense gradient of each parameter, and how many bytes of rows each rank has.
  const size_t count = slots_.size(), ranks = static_cast<size_t>(group_.size());
  const std::vector<std::byte> rows = packed_rows();
  std::vector<double> sums(numbers.begin(), numbers.end());
  for (const Slot& slot : slots_) sums.push_back(slot.parameter.grad().defined() ? 1 : 0);
  for (size_t rank = 0; rank < ranks; ++rank) {
    sums.push_back(rank == static_cast<size_t>(group_.rank()) ? static_cast<double>(rows.size()) : 0);
  }
  group_.all_reduce(sums);
  std::copy_n(sums.begin(), numbers.size(), numbers.begin());
  const std::span<const double> dense = std::span(sums).subspan(numbers.size(), count),
                                sizes = std::span(sums).subspan(numbers.size() + count, ranks);

  std::vector<size_t> newcomers;
  for (size_t i = 0; i < count; ++i) {
    if (dense[i] > 0 && !slots_[i].bucket) newcomers.push_back(i);
  }
  if (!newcomers.empty()) place(newcomers);
  for (const auto& bucket : buckets_) take_back(*bucket, dense);
  if (std::any_of(sizes.begin(), sizes.end(), [](double size) { return size > 0; })) exchange_rows(rows, sizes);
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

/// The gradients by rows of this rank: for each its parameter, how many rows, which ones, their values.
std::vector<std::byte> GradientReducer::packed_rows() const {
  std::vector<std::byte> packed;
  const auto pack = [&]<class T>(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    packed.insert(packed.end(), bytes.begin(), bytes.end());
  };
  for (size_t i = 0; i < slots_.size(); ++i) {
    const RowSparse* rows = slots_[i].parameter.sparse_grad();
    if (!rows) continue;
    pack(std::vector<int32_t>{static_cast<int32_t>(i), static_cast<int32_t>(rows->count)});
    if (rows->count == 0) continue;
    pack(autograd::row_index(*rows).to_vector<int32_t>());
    pack(autograd::row_values(*rows, slots_[i].parameter).to_vector<float>());
  }
  return packed;
}

/// Gives every rank the rows of all, added up. `sizes` are the bytes of each rank.
void GradientReducer::exchange_rows(std::span<const std::byte> own, std::span<const double> sizes) {
  struct Rows {
    std::vector<int32_t> index;
    std::vector<float> values;
  };
  std::map<size_t, Rows> of_slots;
  const std::vector<std::byte> all = group_.all_gather(own, std::vector<size_t>(sizes.begin(), sizes.end()));
  std::span<const std::byte> left = all;
  const auto unpack = [&]<class T>(std::vector<T>& values, size_t count) {
    const size_t before = values.size();
    values.resize(before + count);
    const auto to = std::as_writable_bytes(std::span(values).subspan(before));
    std::copy_n(left.begin(), to.size(), to.begin());
    left = left.subspan(to.size());
  };
  while (!left.empty()) {
    std::vector<int32_t> head;
    unpack(head, 2);
    const auto slot = static_cast<size_t>(head[0]), count = static_cast<size_t>(head[1]);
    Rows& rows = of_slots[slot];
    if (count == 0) continue;
    unpack(rows.index, count);
    unpack(rows.values, count * static_cast<size_t>(slots_[slot].parameter.shape()[1]));
  }
  for (const auto& [slot, rows] : of_slots) {
    Tensor& parameter = slots_[slot].parameter;
    const Shape shape{static_cast<int64_t>(rows.index.size()), parameter.shape()[1]};
    parameter.set_sparse_grad(autograd::from_rows(from_vector(rows.index, parameter.device()),
                                                  from_vector(rows.values, shape, parameter.device()), parameter));
  }
}

}  // namespace fovea::train
