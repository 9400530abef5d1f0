#include "fovea/backends/vulkan/staging.h"

#include "fovea/backends/error.h"
#include "fovea/backends/round_up.h"

namespace fovea::vulkan {

StagingRing::StagingRing(const LogicalDevice& device, Recorder& recorder, MemoryUse use, size_t bytes)
    : recorder_(recorder), block_(MemoryBlock::make(device, use, bytes)) {
  if (!block_) raise_here<OutOfMemoryError>("vulkan: no {} bytes of memory to stage through", bytes);
}

StagingRing::Slot StagingRing::take(size_t bytes) {
  constexpr size_t alignment = 16;
  bytes = round_up(bytes, alignment);
  if (next_ + bytes > block_->bytes()) next_ = 0;
  const size_t begin = next_;
  const size_t end = begin + bytes;
  // Spans are taken in a circle, so those in the way are the oldest.
  const auto in_the_way = [&](const Span& span) { return span.begin < end && begin < span.end; };
  for (size_t i = in_use_.size(); i-- > 0;) {
    if (!in_the_way(in_use_[i])) continue;
    recorder_.wait(in_use_[i].batch);
    in_use_.erase(in_use_.begin(), in_use_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    break;
  }
  next_ = end;
  const uint64_t batch = recorder_.open_batch();
  if (!in_use_.empty() && in_use_.back().batch == batch && in_use_.back().end == begin)
    in_use_.back().end = end;
  else
    in_use_.push_back({begin, end, batch});
  return {block_->host() + begin, block_->buffer(), begin, block_->address() + begin};
}

}  // namespace fovea::vulkan
