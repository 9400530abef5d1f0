#include "fovea/backends/recording_kernels.h"

#include <algorithm>
#include <bit>

namespace fovea {
namespace {

uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

}  // namespace

RecordingKernels::RecordingKernels(std::span<const BufferRef> arguments, std::shared_ptr<RandomStart> random,
                                   std::function<std::function<void()>()> ahead)
    : random_(std::move(random)), ahead_(std::move(ahead)), given_(arguments.size()) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    use(arguments[i]->backend());
    known_.emplace(arguments[i].get(), static_cast<uint32_t>(step_.buffers.size()));
    step_.buffers.push_back(
        {.kind = RecordedBuffer::Kind::argument, .bytes = arguments[i]->bytes(), .place = i, .held = arguments[i]});
  }
}

void RecordingKernels::use(Backend& device, const char* operation, Caller caller) {
  if (!device_) device_ = &device;
  if (caller.line != 0) operation_ = caller;
  if (&device == device_ || &device == this) return;
  const std::string text =
      fmt::format("{}: a step that is captured on {} uses {} too", operation, device_->device(), device.device());
  if (caller.line == 0) raise_here<ValueError>("{}", text);
  raise<ValueError>(caller, "{}", text);
}

int64_t RecordingKernels::give(Buffer& buffer) {
  const auto [at, fresh] = known_.emplace(&buffer, static_cast<uint32_t>(step_.buffers.size()));
  if (fresh) {
    use(buffer.backend());
    step_.buffers.push_back({.kind = RecordedBuffer::Kind::argument,
                             .bytes = buffer.bytes(),
                             .place = given_++,
                             .held = BufferRef(&buffer)});
  }
  const RecordedBuffer& known = step_.buffers[at->second];
  return known.kind == RecordedBuffer::Kind::argument ? static_cast<int64_t>(known.place) : -1;
}

BufferRef RecordingKernels::allocate(size_t bytes) {
  drop_dead();
  BufferRef made = device_->allocate(bytes);
  const auto id = static_cast<uint32_t>(step_.buffers.size());
  step_.buffers.push_back({.kind = RecordedBuffer::Kind::scratch, .bytes = bytes});
  known_[made.get()] = id;
  made_.emplace_back(id, made);
  return made;
}

// Memory goes back during the recording as it would without: a buffer that only this list holds is dead.
void RecordingKernels::drop_dead() {
  std::erase_if(made_, [&](const Made& made) {
    if (!made.is_dead()) return false;
    known_.erase(made.buffer().get());
    return true;
  });
}

uint32_t RecordingKernels::buffer(Buffer* buffer) {
  const auto [at, fresh] = known_.emplace(buffer, static_cast<uint32_t>(step_.buffers.size()));
  if (fresh) step_.buffers.push_back({.bytes = buffer->bytes(), .mark = buffer->mark, .held = BufferRef(buffer)});
  return at->second;
}

const View* RecordingKernels::keep(const View& view) {
  const uint32_t id = buffer(view.buffer);
  const RecordedBuffer& known = step_.buffers[id];
  step_.views.push_back(view);
  step_.buffer_of.push_back(id);
  uint64_t& hash = pending_signature_;
  // Buffers from outside are the same ones in every step; others have the same number.
  const bool outside = known.kind == RecordedBuffer::Kind::outside;
  hash = mixed(hash, outside ? std::bit_cast<uint64_t>(view.buffer) : id);
  hash = mixed(hash, static_cast<uint64_t>(view.dtype) << 8 | static_cast<uint64_t>(view.rank()));
  if (known.kind != RecordedBuffer::Kind::argument) hash = mixed(hash, static_cast<uint64_t>(view.offset));
  for (int axis = 0; axis < view.rank(); ++axis) {
    hash = mixed(mixed(hash, static_cast<uint64_t>(view.shape[axis])), static_cast<uint64_t>(view.strides[axis]));
  }
  return &step_.views.back();
}

const View* RecordingKernels::reads(const View& view) {
  const View* kept = keep(view);
  pending_reads_.push_back(step_.buffer_of.back());
  return kept;
}
const View* RecordingKernels::writes(const View& view) {
  const View* kept = keep(view);
  pending_writes_.push_back(step_.buffer_of.back());
  return kept;
}
const View* RecordingKernels::updates(const View& view) {
  const View* kept = writes(view);
  pending_reads_.push_back(step_.buffer_of.back());
  return kept;
}

const Program* RecordingKernels::keep(const Program& program) {
  const auto [at, fresh] = programs_.emplace(&program, nullptr);
  // Another program may have come to stand where one was.
  if (fresh || at->second->code != program.code || at->second->outputs != program.outputs) {
    step_.programs.push_back(program);
    at->second = &step_.programs.back();
  }
  return at->second;
}

void RecordingKernels::sign(std::initializer_list<double> numbers) {
  for (double number : numbers) pending_signature_ = mixed(pending_signature_, std::bit_cast<uint64_t>(number));
}

void RecordingKernels::sign(const WindowSteps& steps) {
  for (const auto& pair : {steps.stride, steps.padding, steps.dilation}) {
    sign({static_cast<double>(pair[0]), static_cast<double>(pair[1])});
  }
}

RecordedCall& RecordingKernels::note(const char* name, std::initializer_list<double> numbers,
                                     std::function<void(Backend&)> run) {
  sign(numbers);
  step_.calls.push_back({.name = name,
                         .module = ErrorScope::module(),
                         .where = ErrorScope::caller(place_.line != 0 ? place_ : operation_),
                         .reads = std::move(pending_reads_),
                         .writes = std::move(pending_writes_),
                         .run = std::move(run),
                         .signature = pending_signature_});
  pending_reads_.clear();
  pending_writes_.clear();
  pending_signature_ = 0;
  operation_ = {"", 0};
  return step_.calls.back();
}

void RecordingKernels::note_work(std::function<void()> work) {
  // Numbers that the host draws begin where they would in a run as written.
  const uint64_t from = *random_->position - random_->offset;
  std::function<void()> first = ahead_();
  work();
  note("host", {static_cast<double>(from)},
       [first = std::move(first), work = std::move(work), from, start = random_](Backend&) {
         if (first) first();
         *start->position = start->offset + from;
         work();
       })
      .lasting = true;
}

// Where numbers begin, counted from the beginning of the run. `numbers` are drawn from there.
uint64_t RecordingKernels::draw(const char* name, uint64_t seed, uint64_t offset, int64_t numbers) {
  if (seed != random_->seed || offset < random_->offset) {
    raise_here<ValueError>(
        "{}: a captured step draws random numbers from the default generator alone, so that each run gets new ones",
        name);
  }
  const uint64_t from = offset - random_->offset;
  drawn_ = std::max(drawn_, from + static_cast<uint64_t>(numbers + 3) / 4);
  return from;
}

RecordedStep RecordingKernels::finish(std::span<const BufferRef> results, uint64_t random_end) {
  if (std::function<void()> last = ahead_()) {
    note("host", {}, [last = std::move(last)](Backend&) { last(); }).lasting = true;
  }
  drop_dead();
  step_.numbers = random_end - random_->offset;
  if (drawn_ > step_.numbers) draw("capture", ~random_->seed, 0, 0);  // they were another generator's
  using Kind = RecordedBuffer::Kind;
  for (const Made& made : made_) {
    step_.buffers[made.id()].kind = Kind::kept;
    step_.buffers[made.id()].held = made.buffer();
  }
  made_.clear();
  for (size_t i = 0; i < results.size(); ++i) {
    const auto found = known_.find(results[i].get());
    if (found == known_.end() || step_.buffers[found->second].kind != Kind::kept) continue;
    RecordedBuffer& result = step_.buffers[found->second];
    result.kind = Kind::result;
    result.place = i;
    result.held = {};
  }
  for (RecordedBuffer& buffer : step_.buffers) {
    if (buffer.kind == Kind::argument) buffer.held = {};
  }
  return std::move(step_);
}

void RecordingKernels::write(Buffer& to, size_t offset, const void* source, size_t bytes) {
  device_->write(to, offset, source, bytes);
  const auto* from = static_cast<const std::byte*>(source);
  View view{.buffer = &to, .shape = {0}, .strides = {1}};
  uint64_t content = 0;
  for (size_t i = 0; i < bytes; ++i) content = mixed(content, static_cast<uint64_t>(from[i]));
  // The view follows the buffer to its place in the plan.
  note("write", {static_cast<double>(offset), static_cast<double>(content)},
       [to = updates(view), offset, values = std::vector<std::byte>(from, from + bytes)](Backend& on) {
         on.write(*to->buffer, offset, values.data(), values.size());
       })
      .varies = true;
}

void RecordingKernels::read(const Buffer&, size_t, void*, size_t) {
  raise_here<ValueError>("capture: a captured step cannot give values to the host; read them behind it");
}

void RecordingKernels::custom(const CustomCall& call, Device device) {
  launch(call, device);
  std::vector<const View*> in, out;
  for (const View* x : call.inputs) in.push_back(reads(*x));
  for (const View* x : call.outputs) out.push_back(updates(*x));
  for (double number : call.numbers) sign({number});
  note(call.kernel.name, {static_cast<double>(call.items)},
       [kernel = call.kernel, in = std::move(in), out = std::move(out),
        numbers = std::vector<double>(call.numbers.begin(), call.numbers.end()), items = call.items, device](Backend&) {
         launch({kernel, in, out, numbers, items}, device);
       });
}

void RecordingKernels::map(const MapCall& call) {
  device_->map(call);
  RecordedMap map{keep(call.program), call.compute, call.space, {}, {}, {call.scalars.begin(), call.scalars.end()}};
  for (const View* x : call.inputs.first(std::min<size_t>(call.inputs.size(), call.program.inputs))) {
    map.inputs.push_back(reads(*x));
  }
  for (const View* x : call.outputs) map.outputs.push_back(writes(*x));
  pending_signature_ = mixed(pending_signature_, call.program.digest());
  for (int64_t size : call.space) sign({static_cast<double>(size)});
  for (double scalar : call.scalars) sign({scalar});
  RecordedCall& noted = note("map", {static_cast<double>(call.compute)}, {});
  noted.name = map.program->name.c_str();
  noted.map = std::make_unique<RecordedMap>(std::move(map));
}

}  // namespace fovea
