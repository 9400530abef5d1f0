#include <algorithm>
#include <bit>
#include <mutex>
#include <unordered_map>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/map_job.h"
#include "fovea/backends/vulkan/map_variant.h"

namespace fovea::vulkan {
namespace {

constexpr int64_t vector_from = 4096;   // elements from which a thread takes four
constexpr int64_t longest_chain = 256;  // elements that one lane adds up
constexpr int64_t never_split = 2048;   // folds as short as this stay in one pass
constexpr int64_t most_splits = 4096;

struct Variant {
  MapVariant key;
  VkPipeline pipeline;
};

struct Part {
  Part(const Program& program, uint64_t outputs) : need(program, outputs) {}
  MapPart need;
  std::vector<Variant> variants;
  std::unique_ptr<Program> fold;  // folds what the workgroups of a split reduction leave
};

// What one engine has made of one program.
struct Entry {
  uint64_t engine;
  Program program;
  std::vector<std::unique_ptr<Part>> parts;

  Part& part(uint64_t outputs) {
    for (const auto& known : parts) {
      if (known->need.outputs == outputs) return *known;
    }
    return *parts.emplace_back(std::make_unique<Part>(program, outputs));
  }
};

// Programs of equal code share their shaders. Entries are never dropped, so that a handle's pointer is always good.
class EntryTable {
 public:
  Entry& find(uint64_t engine, const Program& program) {
    std::lock_guard lock(mutex_);
    const uint64_t digest = program.digest() ^ engine * 0x9e3779b97f4a7c15ull;
    const auto [begin, end] = entries_.equal_range(digest);
    for (auto i = begin; i != end; ++i) {
      Entry& entry = *i->second;
      if (entry.engine == engine && entry.program.code == program.code && entry.program.outputs == program.outputs)
        return entry;
    }
    return *entries_.emplace(digest, std::make_unique<Entry>(Entry{engine, program, {}}))->second;
  }

 private:
  std::mutex mutex_;
  std::unordered_multimap<uint64_t, std::unique_ptr<Entry>> entries_;
};

struct Handle : CompiledProgram {
  std::atomic<Entry*> last{nullptr};  // that of the device that ran the program last
};

Entry& entry_of(const Engine& engine, const Program& program) {
  static EntryTable& table = *std::make_unique<EntryTable>().release();
  auto& handle = static_cast<Handle&>(program.compiled[static_cast<size_t>(fovea::Device::Kind::vulkan)].get(
      [] { return std::make_unique<Handle>(); }));
  Entry* entry = handle.last.load(std::memory_order_acquire);
  if (!entry || entry->engine != engine.serial()) {
    entry = &table.find(engine.serial(), program);
    handle.last.store(entry, std::memory_order_release);
  }
  return *entry;
}

// The parameters of a shader as compile_map describes them.
class Parameters {
 public:
  void address(uint64_t value) {
    words_[count_++] = static_cast<uint32_t>(value);
    words_[count_++] = static_cast<uint32_t>(value >> 32);
  }
  void word(int64_t value) { words_[count_++] = static_cast<uint32_t>(value); }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words_).first(count_)); }

 private:
  size_t count_ = 0;
  std::array<uint32_t, 64 + MapJob::most_operands*(2 + 2 * max_rank) + 256> words_;
};

// How a fold is spread over workgroups.
struct Spread {
  int64_t lanes;    // threads that fold one result together
  int64_t results;  // of one workgroup
  bool lanes_are_neighbours;
  int64_t kept_groups;
  int64_t chunk;
  int64_t splits;  // workgroups that share a result
};

bool neighbours_fold(const MapJob& job) {
  for (size_t i = 0; i < job.inputs; ++i) {
    const int64_t along = std::abs(job.operands[i].reduced[static_cast<size_t>(job.reduced_rank - 1)]);
    const int64_t across = std::abs(job.operands[i].kept[static_cast<size_t>(job.kept_rank - 1)]);
    if (along != 0) return across == 0 || along <= across;
  }
  return true;
}

Spread spread(const MapJob& job, int64_t threads, int64_t busy_groups) {
  const auto power = [](int64_t n) {
    return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(n, 1))));
  };
  const int64_t kept = job.kept_count(), reduced = job.reduced_count();
  Spread s{};
  s.lanes_are_neighbours = kept == 1 || neighbours_fold(job);
  if (s.lanes_are_neighbours) {
    s.lanes = std::min(threads, power((reduced + 3) / 4));
  } else {
    const int64_t neighbours = std::min(reduced >= 64 ? std::min<int64_t>(32, threads) : threads, power(kept));
    s.lanes = std::min(threads / neighbours, power(reduced));
  }
  s.results = threads / s.lanes;
  s.kept_groups = divide_up(kept, s.results);
  s.splits = 1;
  if (reduced > never_split) {
    const int64_t for_length = (reduced + s.lanes * longest_chain - 1) / (s.lanes * longest_chain);
    const int64_t for_company = std::min(busy_groups / std::max<int64_t>(s.kept_groups, 1), reduced / (s.lanes * 16));
    s.splits = std::clamp<int64_t>(std::max(for_length, for_company), 1, most_splits);
  }
  s.chunk = divide_up(reduced, s.splits);
  s.chunk = round_up(s.chunk, s.lanes);
  s.splits = std::max<int64_t>((reduced + s.chunk - 1) / std::max<int64_t>(s.chunk, 1), 1);
  return s;
}

// Whether a thread may take four elements along the last kept axis at once.
bool takes_four(const MapJob& job) {
  const auto last = static_cast<size_t>(job.kept_rank - 1);
  if (job.kept[last] % 4 != 0 || job.kept_count() < vector_from) return false;
  for (size_t i = 0; i < job.operand_count; ++i) {
    const MapJob::Operand& operand = job.operands[i];
    if (operand.kept[last] == 0) continue;
    if (operand.kept[last] != 1 || operand.address % (4 * size_of(operand.dtype)) != 0) return false;
    for (size_t axis = 0; axis < last; ++axis) {
      if (operand.kept[axis] % 4 != 0) return false;
    }
  }
  return true;
}

Motion motion_of(int64_t stride) { return stride == 1 ? Motion::dense : stride == 0 ? Motion::still : Motion::strided; }

struct Run {
  Engine& engine;
  Entry& entry;
  Part& part;
  const MapCall& call;
  std::span<const AddressRange> reads;
  std::span<const AddressRange> writes;

  bool integer() const { return call.compute == DType::i32; }

  void scalars(Parameters& parameters) const {
    for (uint16_t index : part.need.scalars) {
      const double value = call.scalars[index];
      parameters.word(integer() ? static_cast<int32_t>(value) : std::bit_cast<int32_t>(static_cast<float>(value)));
    }
  }

  VkPipeline pipeline(const MapVariant& key) const {
    for (const Variant& variant : part.variants) {
      if (variant.key == key) return variant.pipeline;
    }
    const std::vector<uint32_t> words = compile_map(entry.program, part.need, key, engine.physical().preserves_nan);
    const VkPipeline pipeline = engine.pipelines().make({entry.program.name.c_str(), words});
    part.variants.push_back({key, pipeline});
    return pipeline;
  }

  void dispatch(MapVariant& key, const Parameters& parameters, int64_t groups, int64_t elements) const {
    std::span<const std::byte> push = parameters.bytes();
    uint64_t address = 0;
    if (push.size() > push_bytes) {
      key.memory_params = 1;
      address = engine.upload_parameters(push);
      push = std::as_bytes(std::span(&address, 1));
    }
    const Grid size = grid(static_cast<uint64_t>(groups), engine.physical().most_groups);
    engine.recorder().dispatch(
        {.name = entry.program.name.c_str(),
         .shape = call.space,
         .pipeline = pipeline(key),
         .push = push,
         .groups_x = size.x,
         .groups_y = size.y,
         .reads = reads,
         .writes = writes,
         .work = static_cast<double>(elements) * std::max(static_cast<double>(entry.program.code.size()),
                                                          4.0 * static_cast<double>(key.operand_count))});
  }

  void elementwise(const MapJob& job) const {
    if (job.kept_count() == 0) return;
    if (!job.fits()) {
      for (const MapJob& half : job.halves()) elementwise(half);
      return;
    }
    MapVariant key;
    key.integer = integer();
    key.threads = static_cast<uint16_t>(engine.map_threads());
    key.kept_rank = static_cast<uint8_t>(job.kept_rank);
    const bool four = engine.vectorises() && takes_four(job);
    key.width = four ? 4 : 1;
    const auto last = static_cast<size_t>(job.kept_rank - 1);
    // Motions differ only where the shader makes use of them, so that few shaders serve all.
    const bool single = job.kept_count() == 1;
    bool strided = job.kept_rank > 1 && !four;
    for (size_t i = 0; i < job.operand_count && !single; ++i)
      strided |= motion_of(job.operands[i].kept[last]) == Motion::strided;
    for (size_t i = 0; i < job.operand_count; ++i)
      key.add(job.operands[i].dtype, single    ? Motion::dense
                                     : strided ? Motion::strided
                                               : motion_of(job.operands[i].kept[last]));

    Parameters parameters;
    for (size_t i = 0; i < job.operand_count; ++i) parameters.address(job.operands[i].address);
    const int64_t positions = job.kept_count() / key.width;
    parameters.word(positions);
    for (size_t axis = 1; axis <= last; ++axis) parameters.word(job.kept[axis] / (axis == last ? key.width : 1));
    for (size_t i = 0; i < job.operand_count; ++i) {
      if (!key.has_strides(i)) continue;
      for (size_t axis = 0; axis <= last; ++axis)
        parameters.word(job.operands[i].kept[axis] * (axis == last ? key.width : 1));
    }
    scalars(parameters);
    dispatch(key, parameters, divide_up(positions, key.threads), job.kept_count());
  }

  void reduction(const MapJob& job) const {
    if (job.kept_count() == 0) return;
    if (!job.fits()) {
      for (const MapJob& half : job.halves()) reduction(half);
      return;
    }
    MapVariant key;
    key.integer = integer();
    key.threads = static_cast<uint16_t>(engine.row_threads());
    key.kept_rank = static_cast<uint8_t>(job.kept_rank);
    key.reduced_rank = static_cast<uint8_t>(job.reduced_rank);
    const Spread s = spread(job, key.threads, engine.busy_groups());
    if (s.splits == 1) {
      record_reduction(job, key, s);
      return;
    }

    // Every workgroup leaves its part of the sums; a second pass folds these.
    const size_t outputs = job.operand_count - job.inputs;
    Shape partial_shape{s.splits};
    for (int axis = 0; axis < job.kept_rank; ++axis) partial_shape.push_back(job.kept[static_cast<size_t>(axis)]);
    MapJob first = job;
    std::vector<BufferRef> keep(outputs);
    std::vector<View> partials, targets;
    std::vector<AddressRange> first_writes;
    for (size_t i = 0; i < outputs; ++i) {
      partials.push_back(engine.scratch(keep[i], call.compute, partial_shape));
      first_writes.push_back(engine.write_range(partials[i]));
      MapJob::Operand& operand = first.operands[job.inputs + i];
      operand.address = address_of(partials[i]);
      operand.dtype = call.compute;
      for (size_t axis = 0; axis < static_cast<size_t>(job.kept_rank); ++axis)
        operand.kept[axis] = partials[i].strides[static_cast<int>(axis) + 1];

      View target = *call.outputs[part.need.output_list[i]];
      const MapJob::Operand& real = job.operands[job.inputs + i];
      target.offset += (static_cast<int64_t>(real.address) - static_cast<int64_t>(address_of(target))) /
                       static_cast<int64_t>(size_of(target.dtype));
      target.shape = target.strides = Shape{};
      target.shape.push_back(1);
      target.strides.push_back(0);
      for (size_t axis = 0; axis < static_cast<size_t>(job.kept_rank); ++axis) {
        target.shape.push_back(job.kept[axis]);
        target.strides.push_back(real.kept[axis]);
      }
      targets.push_back(target);
    }
    Run{engine, entry, part, call, reads, first_writes}.record_reduction(first, key, s);

    std::vector<const View*> from, to;
    for (size_t i = 0; i < outputs; ++i) {
      from.push_back(&partials[i]);
      to.push_back(&targets[i]);
    }
    map(engine, {fold_program(), call.compute, partial_shape, from, to, {}});
  }

  const Program& fold_program() const {
    if (!part.fold) {
      part.fold = std::make_unique<Program>();
      part.fold->name = entry.program.name;
      for (uint16_t output : part.need.output_list) {
        Instruction input{Op::input};
        input.index = static_cast<uint16_t>(part.fold->inputs++);
        part.fold->outputs.push_back(
            {static_cast<uint16_t>(part.fold->code.size()), entry.program.outputs[output].combine});
        part.fold->code.push_back(input);
      }
    }
    return *part.fold;
  }

  void record_reduction(const MapJob& job, MapVariant key, const Spread& s) const {
    for (size_t i = 0; i < job.operand_count; ++i) key.add(job.operands[i].dtype, Motion::strided);
    Parameters parameters;
    for (size_t i = 0; i < job.operand_count; ++i) parameters.address(job.operands[i].address);
    for (int64_t word : {job.kept_count(), job.reduced_count(), s.chunk, s.lanes, s.results,
                         int64_t{s.lanes_are_neighbours}, s.kept_groups})
      parameters.word(word);
    for (int axis = 1; axis < job.kept_rank; ++axis) parameters.word(job.kept[static_cast<size_t>(axis)]);
    for (int axis = 1; axis < job.reduced_rank; ++axis) parameters.word(job.reduced[static_cast<size_t>(axis)]);
    for (size_t i = 0; i < job.operand_count; ++i) {
      for (int axis = 0; axis < job.kept_rank; ++axis) parameters.word(job.operands[i].kept[static_cast<size_t>(axis)]);
      for (int axis = 0; axis < job.reduced_rank && i < job.inputs; ++axis)
        parameters.word(job.operands[i].reduced[static_cast<size_t>(axis)]);
    }
    scalars(parameters);
    dispatch(key, parameters, s.kept_groups * s.splits, job.kept_count() * job.reduced_count());
  }
};

uint32_t folded_axes(const View& output, const Shape& space) {
  uint32_t folded = 0;
  for (int axis = 0; axis < space.rank(); ++axis) {
    if (output.shape[axis] == 1 && space[axis] != 1) folded |= 1u << axis;
  }
  return folded;
}

void refuse_f64(const MapCall& call) {
  const auto is_f64 = [](const View* view) { return view->dtype == DType::f64; };
  if (call.compute == DType::f64 || std::any_of(call.inputs.begin(), call.inputs.end(), is_f64) ||
      std::any_of(call.outputs.begin(), call.outputs.end(), is_f64))
    raise_here<DeviceError>("{}: Vulkan devices have no f64; use f32", call.program.name);
}

void run_part(Engine& engine, Entry& entry, const MapCall& call, uint64_t outputs, uint32_t folded) {
  Part& part = entry.part(outputs);
  const size_t input_count = part.need.inputs.size(), output_count = part.need.output_list.size();
  if (input_count + output_count > MapJob::most_operands)
    raise_here<DeviceError>("{}: more than {} inputs and outputs", call.program.name, MapJob::most_operands);
  std::array<const View*, MapJob::most_operands> views;
  std::array<AddressRange, MapJob::most_operands> ranges;
  for (size_t i = 0; i < input_count; ++i) {
    views[i] = call.inputs[part.need.inputs[i]];
    ranges[i] = engine.read_range(*views[i]);
  }
  for (size_t i = 0; i < output_count; ++i) {
    views[input_count + i] = call.outputs[part.need.output_list[i]];
    ranges[input_count + i] = engine.write_range(*views[input_count + i]);
  }
  const std::span<const View* const> all(views);
  const MapJob job = make_job(call.space, folded, all.first(input_count), all.subspan(input_count, output_count));
  const std::span<const AddressRange> touched(ranges);
  const Run run{engine, entry, part, call, touched.first(input_count), touched.subspan(input_count, output_count)};
  if (folded) {
    run.reduction(job);
  } else {
    run.elementwise(job);
  }
}

}  // namespace

void map(Engine& engine, const MapCall& call) {
  refuse_f64(call);
  Entry& entry = entry_of(engine, call.program);
  const size_t count = call.outputs.size();
  if (count > 64) raise_here<DeviceError>("{}: more than 64 outputs", call.program.name);
  std::array<uint32_t, 64> folded;
  for (size_t i = 0; i < count; ++i) folded[i] = folded_axes(*call.outputs[i], call.space);
  // A pass for each set of folded axes; elementwise outputs last, for they may be stored over inputs.
  uint64_t done = 0, elementwise = 0;
  for (size_t i = 0; i < count; ++i) {
    if (folded[i] == 0) elementwise |= uint64_t{1} << i;
  }
  for (size_t i = 0; i < count; ++i) {
    if (folded[i] == 0 || (done >> i & 1)) continue;
    uint64_t same = 0;
    for (size_t j = i; j < count; ++j) {
      if (folded[j] == folded[i]) same |= uint64_t{1} << j;
    }
    done |= same;
    run_part(engine, entry, call, same, folded[i]);
  }
  if (elementwise) run_part(engine, entry, call, elementwise, 0);
}

}  // namespace fovea::vulkan
