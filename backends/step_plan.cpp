#include "fovea/backends/step_plan.h"

#include <algorithm>
#include <numeric>

namespace fovea {

using Kind = RecordedBuffer::Kind;

size_t plan_rooms(std::vector<PlannedRoom>& rooms, size_t alignment) {
  std::vector<size_t> order(rooms.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rooms[a].bytes > rooms[b].bytes; });
  std::vector<size_t> placed;  // by offset
  size_t total = 0;
  for (size_t i : order) {
    PlannedRoom& room = rooms[i];
    const size_t size = (std::max<size_t>(room.bytes, 1) + alignment - 1) / alignment * alignment;
    size_t at = 0;
    for (size_t j : placed) {
      const PlannedRoom& other = rooms[j];
      if (other.last < room.first || room.last < other.first) continue;
      if (at + size <= other.offset) break;
      at = std::max(at, other.offset + (other.bytes + alignment - 1) / alignment * alignment);
    }
    room.offset = at;
    total = std::max(total, at + size);
    const auto behind = [&](size_t value, size_t j) { return value < rooms[j].offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), at, behind), i);
  }
  return total;
}

size_t drop_dead_calls(RecordedStep& step) {
  std::vector<bool> wanted(step.buffers.size());
  for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = step.buffers[i].kind != Kind::scratch;
  std::vector<bool> live(step.calls.size(), false);
  for (size_t i = step.calls.size(); i-- > 0;) {
    const RecordedCall& call = step.calls[i];
    live[i] =
        call.lasting || std::any_of(call.writes.begin(), call.writes.end(), [&](uint32_t b) { return wanted[b]; });
    if (!live[i]) continue;
    for (uint32_t b : call.reads) wanted[b] = true;
  }
  const size_t before = step.calls.size();
  size_t i = 0;
  std::erase_if(step.calls, [&](const RecordedCall&) { return !live[i++]; });
  return before - step.calls.size();
}

StepPlan::StepPlan(RecordedStep step, Backend& device) : step_(std::move(step)), device_(device) {
  dropped_ = drop_dead_calls(step_);
  merged_ = merge_maps(step_);
  plan();
  divide();
  if (device_.device().kind != Device::Kind::cpu) own_blocks();
}

void StepPlan::plan() {
  constexpr size_t nowhere = SIZE_MAX;
  std::vector<size_t> first(step_.buffers.size(), nowhere), last(step_.buffers.size(), 0);
  for (size_t i = 0; i < step_.calls.size(); ++i) {
    for (const auto* list : {&step_.calls[i].reads, &step_.calls[i].writes}) {
      for (uint32_t b : *list) {
        first[b] = std::min(first[b], i);
        last[b] = i;
      }
    }
  }
  for (uint32_t b = 0; b < step_.buffers.size(); ++b) {
    if (step_.buffers[b].kind != Kind::scratch || first[b] == nowhere) continue;
    rooms_.push_back({step_.buffers[b].bytes, first[b], last[b]});
    room_buffer_.push_back(b);
  }
  bytes_ = plan_rooms(rooms_);
  for (size_t v = 0; v < step_.views.size(); ++v) {
    const RecordedBuffer& buffer = step_.buffers[step_.buffer_of[v]];
    View& view = step_.views[v];
    if (buffer.kind == Kind::argument) arguments_.push_back({&view, buffer.place, view.offset});
    if (buffer.kind == Kind::result) results_.push_back({&view, buffer.place, view.offset});
  }
}

// Rooms that do not meet in time share blocks; each block is as large as its largest room.
void StepPlan::own_blocks() {
  struct Block {
    size_t bytes;
    std::vector<const PlannedRoom*> rooms;
  };
  std::vector<Block> blocks;
  std::vector<size_t> order(rooms_.size()), block_of(step_.buffers.size(), 0);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rooms_[a].bytes > rooms_[b].bytes; });
  for (size_t i : order) {
    const PlannedRoom& room = rooms_[i];
    const auto fits = [&](const Block& block) {
      return std::all_of(block.rooms.begin(), block.rooms.end(), [&](const PlannedRoom* other) {
        return other->last < room.first || room.last < other->first;
      });
    };
    // The first is the largest: going backwards finds the tightest.
    auto found = std::find_if(blocks.rbegin(), blocks.rend(), fits);
    if (found == blocks.rend()) {
      blocks.push_back({room.bytes, {}});
      found = blocks.rbegin();
    }
    found->rooms.push_back(&room);
    block_of[room_buffer_[i]] = static_cast<size_t>(blocks.rend() - found) - 1;
  }
  bytes_ = 0;
  for (const Block& block : blocks) {
    blocks_.push_back(device_.allocate(block.bytes));
    bytes_ += blocks_.back()->bytes();
  }
  for (size_t v = 0; v < step_.views.size(); ++v) {
    const uint32_t b = step_.buffer_of[v];
    if (step_.buffers[b].kind == Kind::scratch && !blocks_.empty()) {
      step_.views[v].buffer = blocks_[block_of[b]].get();
    }
  }
}

void StepPlan::divide() {
  const auto moves = [&](uint32_t b) {
    return step_.buffers[b].kind == Kind::argument || step_.buffers[b].kind == Kind::result;
  };
  for (size_t i = 0; i < step_.calls.size(); ++i) {
    const RecordedCall& call = step_.calls[i];
    const bool varies = call.varies || std::any_of(call.reads.begin(), call.reads.end(), moves) ||
                        std::any_of(call.writes.begin(), call.writes.end(), moves);
    if (stretches_.empty() || stretches_.back().varies != varies) stretches_.push_back({i, i, varies});
    stretches_.back().end = i + 1;
  }
}

void StepPlan::prepare() {
  std::vector<std::function<void()>> groups;
  for (const Stretch& stretch : stretches_) {
    if (!stretch.varies) groups.emplace_back([this, &stretch] { run(stretch); });
  }
  if (!groups.empty()) prepared_ = device_.prepare(groups);
}

void StepPlan::bind(const BufferRef& arena) {
  if (!blocks_.empty() || rooms_.empty() || arena.get() == arena_.get()) return;
  arena_ = arena;
  parts_.clear();
  std::vector<Buffer*> part_of(step_.buffers.size(), nullptr);
  for (size_t i = 0; i < rooms_.size(); ++i) {
    parts_.emplace_back(device_, arena->host() + rooms_[i].offset, 0, rooms_[i].bytes);
    part_of[room_buffer_[i]] = &parts_.back();
  }
  for (size_t v = 0; v < step_.views.size(); ++v) {
    if (Buffer* part = part_of[step_.buffer_of[v]]) step_.views[v].buffer = part;
  }
}

void StepPlan::run(std::span<const Argument> arguments, std::span<const BufferRef> results) {
  for (const Loose& loose : arguments_) {
    loose.view->buffer = arguments[loose.place].buffer;
    loose.view->offset = loose.offset + arguments[loose.place].moved;
  }
  for (const Loose& loose : results_) loose.view->buffer = results[loose.place].get();
  // The first run makes ready what kernels need: shaders, measured tiles.
  if (runs_++ == 1) prepare();
  size_t group = 0;
  for (const Stretch& stretch : stretches_) {
    if (prepared_ && !stretch.varies) {
      prepared_->run(group++);
    } else {
      run(stretch);
    }
  }
}

void StepPlan::run(const Stretch& stretch) {
  for (size_t i = stretch.first; i < stretch.end; ++i) {
    const RecordedCall& call = step_.calls[i];
    if (call.map) {
      device_.map(call.map->call());
    } else {
      call.run(device_);
    }
  }
}

}  // namespace fovea
