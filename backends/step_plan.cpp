#include "fovea/backends/step_plan.h"

#include <algorithm>
#include <numeric>

namespace fovea {

using Kind = RecordedBuffer::Kind;

namespace {

constexpr size_t alignment = 256;  // a device's memory is read in lines of up to that many bytes

/// An error of a kernel names the line and the module that its call was recorded in.
class CallScope final : public ErrorScope {
 public:
  explicit CallScope(const RecordedCall& call)
      : ErrorScope(call.where, call.where.line != 0 ? Begin::anew : Begin::within), call_(call) {}

 private:
  std::string name() const override { return call_.module; }

  const RecordedCall& call_;
};

size_t rounded(size_t bytes) { return (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment; }

}  // namespace

size_t plan_rooms(std::vector<PlannedRoom>& rooms, size_t block) {
  std::vector<size_t> order(rooms.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rooms[a].bytes > rooms[b].bytes; });
  std::vector<size_t> placed;  // by offset
  size_t total = 0;
  for (size_t i : order) {
    PlannedRoom& room = rooms[i];
    const size_t size = rounded(room.bytes);
    if (size > block) {
      raise_here<OutOfMemoryError>("capture: the device allocates {} bytes at most, not {}", block, room.bytes);
    }
    size_t at = 0;
    for (size_t j : placed) {
      const PlannedRoom& other = rooms[j];
      if (other.last < room.first || room.last < other.first) continue;
      if (at + size <= other.offset) break;
      at = std::max(at, other.offset + rounded(other.bytes));
      if (at / block != (at + size - 1) / block) at = (at / block + 1) * block;
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

size_t StepArena::block_bytes(const Backend& device) { return device.largest_allocation() / alignment * alignment; }

void StepArena::reserve(Backend& device, size_t bytes) {
  if (bytes <= bytes_) return;
  if (!blocks_.empty()) {
    blocks_.clear();
    bytes_ = 0;
    device.empty_cache();
  }
  block_bytes_ = block_bytes(device);
  for (size_t left = bytes; left > 0; left -= std::min(left, block_bytes_)) {
    blocks_.push_back(device.allocate(std::min(left, block_bytes_)));
  }
  bytes_ = bytes;
  ++version_;
}

std::pair<const BufferRef&, size_t> StepArena::at(size_t offset) const {
  return {blocks_[offset / block_bytes_], offset % block_bytes_};
}

SharedMemory::SharedMemory(const RecordedStep& step) {
  std::vector<bool> written(step.buffers.size());
  for (const RecordedCall& call : step.calls) {
    for (uint32_t b : call.writes) written[b] = true;
  }
  for (uint32_t b = 0; b < step.buffers.size(); ++b) {
    const RecordedBuffer& buffer = step.buffers[b];
    if (buffer.kind == Kind::argument) {
      arguments_.resize(std::max(arguments_.size(), buffer.place + 1));
      arguments_[buffer.place] = {b, written[b]};
    } else if (buffer.held) {
      others_.push_back({b, written[b]});
    }
  }
}

void SharedMemory::check(const RecordedStep& step, std::span<Buffer* const> arguments, size_t own,
                         std::span<Buffer* const> before) const {
  for (size_t i = 0; i < arguments.size(); ++i) {
    for (size_t j = 0; j < std::min(i, own); ++j) {
      if (arguments[i] == arguments[j] && (arguments_[i].written || arguments_[j].written)) {
        if (i >= own) {
          raise_here<ValueError>("capture: argument {} shares memory with a gradient that the step uses, and writes it",
                                 j + 1);
        }
        raise_here<ValueError>("capture: arguments {} and {} share memory that the step writes", j + 1, i + 1);
      }
    }
    if (i >= own && i < before.size() && before[i] == arguments[i]) continue;
    for (const Use& other : others_) {
      if (step.buffers[other.buffer].held.get() == arguments[i] && (arguments_[i].written || other.written)) {
        if (i >= own) {
          raise_here<ValueError>(
              "capture: a gradient shares memory with another tensor that the step uses, and writes it");
        }
        raise_here<ValueError>(
            "capture: argument {} shares memory with a tensor that the step uses without being given it, "
            "and writes it",
            i + 1);
      }
    }
  }
}

void SharedMemory::count_writes(const RecordedStep& step, std::span<Buffer* const> arguments) const {
  for (size_t i = 0; i < arguments.size(); ++i) arguments[i]->version += arguments_[i].written;
  for (const Use& other : others_) step.buffers[other.buffer].held->version += other.written;
}

StepPlan::StepPlan(RecordedStep step, Backend& device) : step_(std::move(step)), device_(device), shared_(step_) {
  dropped_ = drop_dead_calls(step_);
  merged_ = merge_maps(step_);
  plan();
  divide();
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
  bytes_ = plan_rooms(rooms_, StepArena::block_bytes(device_));
  for (size_t v = 0; v < step_.views.size(); ++v) {
    const RecordedBuffer& buffer = step_.buffers[step_.buffer_of[v]];
    View& view = step_.views[v];
    if (buffer.kind == Kind::argument) arguments_.push_back({&view, buffer.place, view.offset});
    if (buffer.kind == Kind::result) results_.push_back({&view, buffer.place, view.offset});
  }
}

void StepPlan::divide() {
  const auto moves = [&](uint32_t b) {
    return step_.buffers[b].kind == Kind::argument || step_.buffers[b].kind == Kind::result;
  };
  for (size_t i = 0; i < step_.calls.size(); ++i) {
    const RecordedCall& call = step_.calls[i];
    const bool varies = call.lasting || call.varies || std::any_of(call.reads.begin(), call.reads.end(), moves) ||
                        std::any_of(call.writes.begin(), call.writes.end(), moves);
    if (stretches_.empty() || stretches_.back().varies != varies) stretches_.push_back({i, i, varies});
    stretches_.back().end = i + 1;
  }
}

void StepPlan::prepare() {
  asked_ = true;
  std::vector<std::function<void()>> groups;
  for (const Stretch& stretch : stretches_) {
    if (!stretch.varies) groups.emplace_back([this, &stretch] { run(stretch); });
  }
  if (!groups.empty()) prepared_ = device_.prepare(groups);
}

void StepPlan::bind(StepArena& arena) {
  arena.reserve(device_, bytes_);
  if (arena_ == &arena && arena_version_ == arena.version()) return;
  prepared_.reset();
  asked_ = false;
  parts_.clear();
  std::vector<Buffer*> part_of(step_.buffers.size(), nullptr);
  for (size_t i = 0; i < rooms_.size(); ++i) {
    const auto [block, offset] = arena.at(rooms_[i].offset);
    parts_.push_back(device_.part(block, offset, rooms_[i].bytes));
    part_of[room_buffer_[i]] = parts_.back().get();
  }
  for (size_t v = 0; v < step_.views.size(); ++v) {
    if (Buffer* part = part_of[step_.buffer_of[v]]) step_.views[v].buffer = part;
  }
  arena_ = &arena;
  arena_version_ = arena.version();
}

void StepPlan::run(StepArena& arena, std::span<const Argument> arguments, size_t own,
                   std::span<const BufferRef> results) {
  given_.swap(given_before_);
  given_.clear();
  for (const Argument& argument : arguments) given_.push_back(argument.buffer);
  shared_.check(step_, given_, own, given_before_);
  bind(arena);
  for (const Loose& loose : arguments_) {
    loose.view->buffer = arguments[loose.place].buffer;
    loose.view->offset = loose.offset + arguments[loose.place].moved;
  }
  for (const Loose& loose : results_) loose.view->buffer = results[loose.place].get();
  // The first run makes ready what kernels need: shaders, measured tiles.
  if (std::exchange(has_run_, true) && !asked_) prepare();
  size_t group = 0;
  for (const Stretch& stretch : stretches_) {
    if (prepared_ && !stretch.varies) {
      prepared_->run(group++);
    } else {
      run(stretch);
    }
  }
  shared_.count_writes(step_, given_);
}

bool StepPlan::marks_hold() const {
  return std::all_of(step_.buffers.begin(), step_.buffers.end(), [](const RecordedBuffer& buffer) {
    return buffer.kind != Kind::outside || buffer.held->mark == buffer.mark;
  });
}

void StepPlan::replace(const Buffer* before, const BufferRef& fresh) {
  for (uint32_t b = 0; b < step_.buffers.size(); ++b) {
    RecordedBuffer& buffer = step_.buffers[b];
    if (buffer.kind != Kind::kept || buffer.held.get() != before) continue;
    buffer.held = fresh;
    for (size_t v = 0; v < step_.views.size(); ++v) {
      if (step_.buffer_of[v] == b) step_.views[v].buffer = fresh.get();
    }
  }
  prepared_.reset();
  asked_ = false;
}

void StepPlan::run(const Stretch& stretch) {
  for (size_t i = stretch.first; i < stretch.end; ++i) {
    const RecordedCall& call = step_.calls[i];
    const CallScope scope(call);
    if (call.map) {
      device_.map(call.map->call());
    } else {
      call.run(device_);
    }
  }
}

}  // namespace fovea
