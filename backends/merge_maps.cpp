#include <algorithm>
#include <unordered_map>

#include "fovea/backends/step_plan.h"

namespace fovea {
namespace {

constexpr size_t most_instructions = 64;
constexpr size_t most_views = 16;
constexpr size_t reach = 16;  // how many calls ahead a partner may stand

bool contains(const std::vector<uint32_t>& list, uint32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}
bool meet(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  return std::any_of(a.begin(), a.end(), [&](uint32_t value) { return contains(b, value); });
}

bool whole(const RecordedMap& map) {
  return std::all_of(map.outputs.begin(), map.outputs.end(), [&](const View* out) { return out->shape == map.space; });
}

/// Merges calls of one step.
class Merger {
 public:
  explicit Merger(RecordedStep& step) : step_(step) {
    for (size_t v = 0; v < step_.views.size(); ++v) buffer_of_[&step_.views[v]] = step_.buffer_of[v];
  }

  size_t run() {
    size_t merged = 0;
    for (size_t i = 0; i < step_.calls.size(); ++i) {
      while (merge_into_later(i)) {
        ++merged;
        if (i >= step_.calls.size()) break;
      }
    }
    return merged;
  }

 private:
  uint32_t buffer(const View* view) const { return buffer_of_.at(view); }

  // Views of scratch buffers still name the memory of the recording, which several of them may have had in turn.
  bool same_elements(const View& a, const View& b) const {
    return buffer(&a) == buffer(&b) && a.offset == b.offset && a.dtype == b.dtype && a.shape == b.shape &&
           a.strides == b.strides;
  }

  /// Call i is taken up by the first that reads it, if the two can be one and nothing stands between them.
  bool merge_into_later(size_t i) {
    const RecordedCall& from = step_.calls[i];
    if (!from.map || !whole(*from.map)) return false;
    for (size_t j = i + 1; j < std::min(i + reach, step_.calls.size()); ++j) {
      const RecordedCall& into = step_.calls[j];
      if (into.lasting) return false;
      if (into.map && reads_result(*from.map, *into.map)) {
        if (!fits(from, into)) return false;
        merge(i, j);
        return true;
      }
      // `from` has to move down past this one.
      if (meet(from.writes, into.reads) || meet(from.writes, into.writes) || meet(from.reads, into.writes))
        return false;
    }
    return false;
  }

  bool reads_result(const RecordedMap& from, const RecordedMap& into) const {
    return std::any_of(into.inputs.begin(), into.inputs.end(), [&](const View* in) {
      return std::any_of(from.outputs.begin(), from.outputs.end(),
                         [&](const View* out) { return same_elements(*in, *out); });
    });
  }

  bool fits(const RecordedCall& from, const RecordedCall& into) const {
    const RecordedMap &a = *from.map, &b = *into.map;
    if (a.compute != b.compute || a.space != b.space || !whole(b)) return false;
    if (a.program->code.size() + b.program->code.size() > most_instructions) return false;
    if (a.inputs.size() + a.outputs.size() + b.inputs.size() + b.outputs.size() > most_views) return false;
    // In one pass over memory neither may see what the other writes, but for the values that are passed on.
    if (meet(into.writes, from.reads) || meet(into.writes, from.writes) || meet(from.reads, from.writes)) return false;
    for (const View* in : b.inputs) {
      if (!contains(from.writes, buffer(in))) continue;
      const bool passed = std::any_of(a.outputs.begin(), a.outputs.end(), [&](const View* out) {
        return same_elements(*in, *out) && out->dtype == a.compute;
      });
      if (!passed) return false;
    }
    return true;
  }

  bool needed_behind(const View* out, size_t j) const {
    const uint32_t b = buffer(out);
    if (step_.buffers[b].kind != RecordedBuffer::Kind::scratch) return true;
    return std::any_of(step_.calls.begin() + static_cast<std::ptrdiff_t>(j) + 1, step_.calls.end(),
                       [&](const RecordedCall& call) { return contains(call.reads, b); });
  }

  void merge(size_t i, size_t j) {
    const RecordedMap &a = *step_.calls[i].map, &b = *step_.calls[j].map;
    auto made = std::make_unique<RecordedMap>(RecordedMap{nullptr, a.compute, a.space, a.inputs, {}, a.scalars});
    made->scalars.insert(made->scalars.end(), b.scalars.begin(), b.scalars.end());
    Program program;
    program.name = a.program->name + "+" + b.program->name;
    program.scalars = a.program->scalars + b.program->scalars;

    // Where each instruction of either goes; leaves come first.
    std::vector<uint16_t> place_a(a.program->code.size()), place_b(b.program->code.size());
    const auto append = [&](const Instruction& instruction) {
      const auto found = arity(instruction.op) == 0 ? std::find(program.code.begin(), program.code.end(), instruction)
                                                    : program.code.end();
      if (found != program.code.end()) return static_cast<uint16_t>(found - program.code.begin());
      program.code.push_back(instruction);
      return static_cast<uint16_t>(program.code.size() - 1);
    };
    for (size_t k = 0; k < place_a.size(); ++k) {
      if (arity(a.program->code[k].op) == 0) place_a[k] = append(a.program->code[k]);
    }
    std::vector<std::pair<size_t, size_t>> passed;  // instruction of b, output of a
    for (size_t k = 0; k < place_b.size(); ++k) {
      Instruction leaf = b.program->code[k];
      if (arity(leaf.op) != 0) continue;
      if (leaf.op == Op::scalar) leaf.index = static_cast<uint16_t>(leaf.index + a.program->scalars);
      if (leaf.op == Op::input) {
        const View* in = b.inputs[leaf.index];
        const auto out = std::find_if(a.outputs.begin(), a.outputs.end(),
                                      [&](const View* view) { return same_elements(*in, *view); });
        if (out != a.outputs.end()) {
          passed.emplace_back(k, out - a.outputs.begin());
          continue;
        }
        auto known = std::find_if(made->inputs.begin(), made->inputs.end(),
                                  [&](const View* view) { return same_elements(*in, *view); });
        if (known == made->inputs.end()) known = made->inputs.insert(known, in);
        leaf.index = static_cast<uint16_t>(known - made->inputs.begin());
      }
      place_b[k] = append(leaf);
    }
    program.inputs = static_cast<int>(made->inputs.size());
    const auto append_all = [&](const Program& part, std::vector<uint16_t>& place) {
      for (size_t k = 0; k < place.size(); ++k) {
        Instruction instruction = part.code[k];
        if (arity(instruction.op) == 0) continue;
        for (int o = 0; o < arity(instruction.op); ++o) instruction.operands[o] = place[instruction.operands[o]];
        place[k] = append(instruction);
      }
    };
    append_all(*a.program, place_a);
    for (const auto& [k, out] : passed) place_b[k] = place_a[a.program->outputs[out].value];
    append_all(*b.program, place_b);

    for (size_t k = 0; k < a.outputs.size(); ++k) {
      if (!needed_behind(a.outputs[k], j)) continue;
      made->outputs.push_back(a.outputs[k]);
      program.outputs.push_back({place_a[a.program->outputs[k].value]});
    }
    for (size_t k = 0; k < b.outputs.size(); ++k) {
      made->outputs.push_back(b.outputs[k]);
      program.outputs.push_back({place_b[b.program->outputs[k].value]});
    }
    step_.programs.push_back(std::move(program));
    made->program = &step_.programs.back();

    RecordedCall& call = step_.calls[j];
    call.name = made->program->name.c_str();
    call.reads.clear();
    call.writes.clear();
    for (const View* in : made->inputs) call.reads.push_back(buffer(in));
    for (const View* out : made->outputs) call.writes.push_back(buffer(out));
    call.map = std::move(made);
    step_.calls.erase(step_.calls.begin() + static_cast<std::ptrdiff_t>(i));
  }

  RecordedStep& step_;
  std::unordered_map<const View*, uint32_t> buffer_of_;
};

}  // namespace

size_t merge_maps(RecordedStep& step) { return Merger(step).run(); }

}  // namespace fovea
