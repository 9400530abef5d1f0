#pragma once

#include <algorithm>

#include "fovea/backends/cpu/map_code.h"
#include "fovea/backends/cpu/map_room.h"
#include "fovea/backends/cpu/map_walk.h"
#include "fovea/backends/cpu/scratch.h"

namespace fovea::cpu {

/// One value over and over: what stands behind an operand of step 0.
template <class T>
struct alignas(vector_bytes) Repeated {
  T lanes[Code<T>::lanes];

  void fill(T value) {
    for (T& lane : lanes) lane = value;
  }
};

/// Runs the steps once over n elements, then copies aliases into the outputs for which `wanted(k)` holds.
template <class T, class F>
void run_steps(const Code<T>& code, const Operand* operands, int64_t n, F wanted) {
  for (const Step& step : code.steps) step.kernel(step, operands, n);
  for (size_t k = 0; k < code.outputs.size(); ++k) {
    const uint16_t value = code.outputs[k].value;
    if (!code.outputs[k].alias || !wanted(k)) continue;
    const Step copy{nullptr, {value, value, value}, static_cast<uint16_t>(code.first_output + static_cast<int>(k))};
    kernels<T>().copy(copy, operands, n);
  }
}

/// Whether an output must not be written while the steps still read: an input that they read later is in its buffer.
template <class T>
bool reads_after(const MapCall& call, const Code<T>& code, size_t output) {
  const uint64_t bits = code.outputs[output].read_after;
  if (!bits) return false;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (bits >> (i < 63 ? i : 63) & 1 && call.inputs[i]->buffer == call.outputs[output]->buffer) return true;
  }
  return false;
}

/// A call ready to run over any stretch of positions of its space: where each operand comes from and goes to. Shared by
/// the threads; each works through a Worker of its own.
template <class T>
class Tiles {
 public:
  /// With axes of the space taken in `order` (null: as they stand). Outputs that are not of the space's shape are
  /// computed and not stored.
  Tiles(const MapCall& call, const Code<T>& code, const int* order = nullptr);

  /// The most positions that a worker takes at once.
  int64_t tile() const { return tile_; }
  /// The longest stretch, from a multiple of its length on, for which no input has to be copied that could be spared it.
  int64_t uncut() const { return cut_ ? std::min(cut_, tile_) : tile_; }
  /// How far a worker should go from `position`, so that as few inputs as possible have to be copied.
  int64_t stretch(int64_t position, int64_t end) const {
    const int64_t whole = cut_ ? cut_ - position % cut_ : tile_;
    const int64_t rest = end - position;
    return whole < tile_ ? (whole < rest ? whole : rest) : (tile_ < rest ? tile_ : rest);
  }

  /// Nothing is computed, and the values of neighbouring positions are neighbours in memory.
  bool in_memory() const { return in_memory_; }

  /// All of [begin, end), tile by tile.
  void run(int64_t begin, int64_t end) const;

  class Worker;

 private:
  /// The arena of a worker stands on its stack up to this size, well inside a first-level cache.
  static constexpr int64_t arena_bytes = 24 * 1024;

  enum class Way : uint8_t {
    unused,
    repeated,  // one value
    direct,    // linear and of type T
    convert,   // linear, of another dtype
    walk,      // anything else
    held,      // an output that is not stored
    lent,      // the same, where an input holds it anyway
  };
  struct Place {
    Walk walk;
    BufferRef dense;  // holds a row-major copy of an input that would be read across the grain
    Way way = Way::unused;
    int64_t values = 0;  // where its values of T stand in a worker's arena, in bytes for each element of a tile
    int64_t raw = 0;     // the same for elements as they are stored
  };

  int64_t reserve(size_t bytes);
  void place_input(size_t i, const MapCall& call, const int* order);
  void place_output(size_t k, const View& view, bool conflict);
  void place_held(size_t k, const MapCall& call);

  const Code<T>& code_;
  size_t inputs_, outputs_, scalars_;
  Room<Place, 20> places_;          // of inputs, then outputs
  Room<Repeated<T>, 12> repeated_;  // of inputs, then scalars
  int64_t slots_ = 0;               // where they begin in the arena
  int64_t element_bytes_ = 0;       // of the arena for each element of a tile
  int64_t tile_ = 0;
  int64_t cut_ = 0;
  bool in_memory_ = true;
};

template <class T>
class Tiles<T>::Worker {
 public:
  explicit Worker(const Tiles& tiles);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Computes positions [position, position + n), n at most tile(), and stores all outputs but the held ones.
  void run(int64_t position, int64_t n);
  /// The n values of an output that was not stored in the last run.
  const T* held(size_t output) const;

 private:
  std::byte* arena(int64_t offset) { return arena_ + offset * tiles_.tile_; }
  void bind_input(size_t i, int64_t position, int64_t n);
  void bind_output(size_t k, int64_t position);
  void store_output(size_t k, int64_t position, int64_t n);

  const Tiles& tiles_;
  Room<Operand, 48> operands_;
  Room<Repeated<T>, 12> repeated_;  // of inputs that have one value in the whole run
  Scratch<std::byte> heap_;
  std::byte* arena_;
  alignas(vector_bytes) std::byte local_[arena_bytes];
};

extern template class Tiles<float>;
extern template class Tiles<double>;
extern template class Tiles<int32_t>;

}  // namespace fovea::cpu
