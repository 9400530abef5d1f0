#include "fovea/backends/cpu/map_tiles.h"

#include <algorithm>
#include <limits>

#include "fovea/backends/cpu/copy.h"
#include "fovea/backends/cpu/map_convert.h"

namespace fovea::cpu {
namespace {

constexpr int64_t greatest_tile = 4096, least_tile = 64;
/// Rows at least this long are worth a tile of their own where inputs then need no copy.
constexpr int64_t least_cut = 256;

Shape permuted(const Shape& space, const int* order) {
  Shape turned = space;
  for (int i = 0; i < space.rank(); ++i) turned[i] = space[order[i]];
  return turned;
}

/// `view` with as many axes as the space, in that order.
View permuted(View view, const Shape& space, const int* order) {
  while (view.rank() < space.rank()) {
    view.shape.insert(0, 1);
    view.strides.insert(0, 0);
  }
  view.shape = permuted(view.shape, order);
  view.strides = permuted(view.strides, order);
  return view;
}

}  // namespace

template <class T>
int64_t Tiles<T>::reserve(size_t bytes) {
  const int64_t offset = element_bytes_;
  element_bytes_ += static_cast<int64_t>(bytes);
  return offset;
}

template <class T>
Tiles<T>::Tiles(const MapCall& call, const Code<T>& code, const int* order)
    : code_(code),
      inputs_(call.inputs.size()),
      outputs_(call.outputs.size()),
      scalars_(call.scalars.size()),
      places_(inputs_ + outputs_),
      repeated_(inputs_ + scalars_) {
  for (size_t i = 0; i < inputs_; ++i) {
    if (!code.input_used[i]) continue;
    place_input(i, call, order);
  }
  for (size_t k = 0; k < outputs_; ++k) {
    if (call.outputs[k]->shape == call.space) {
      places_[inputs_ + k].walk = Walk(*call.outputs[k], call.space, order);
      place_output(k, *call.outputs[k], reads_after(call, code, k));
    } else {
      place_held(k, call);
    }
  }
  for (size_t i = 0; i < scalars_; ++i) repeated_[inputs_ + i].fill(convert<T>(call.scalars[i]));
  slots_ = element_bytes_;
  element_bytes_ += static_cast<int64_t>(sizeof(T)) * (code.first_output - code.first_slot);

  in_memory_ = code.steps.empty();
  for (size_t k = 0; k < outputs_; ++k) {
    in_memory_ =
        in_memory_ && places_[inputs_ + k].way == Way::lent && places_[code.outputs[k].value].way == Way::direct;
  }
  tile_ = std::numeric_limits<int64_t>::max();
  if (element_bytes_) tile_ = std::clamp(arena_bytes / element_bytes_ / 64 * 64, least_tile, greatest_tile);
}

template <class T>
void Tiles<T>::place_input(size_t i, const MapCall& call, const int* order) {
  const View& view = *call.inputs[i];
  Place& place = places_[i];
  Walk& walk = place.walk;
  walk = Walk(view, call.space, order);
  if (walk.transposed()) {
    // Axes in the order in which they will be walked; those that repeat are stored once.
    View turned = view;
    if (order) turned = permuted(view, call.space, order);
    for (int axis = 0; axis < turned.rank(); ++axis) {
      if (turned.strides[axis] == 0) turned.shape[axis] = 1;
    }
    const Packed packed = dense(turned);
    place.dense = packed.buffer;
    walk = Walk(packed.view, order ? permuted(call.space, order) : call.space);
  }
  const bool same = view.dtype == dtype_of<T>;
  if (walk.repeats()) {
    place.way = Way::repeated;
    T value;
    kernels<T>().load[static_cast<int>(view.dtype)](walk.at(0), &value, 1);
    repeated_[i].fill(value);
  } else if (walk.linear()) {
    place.way = same ? Way::direct : Way::convert;
    if (!same) place.values = reserve(sizeof(T));
  } else {
    place.way = Way::walk;
    place.values = reserve(sizeof(T));
    if (!same) place.raw = reserve(size_of(view.dtype));
    const int64_t stride = walk.inner_stride(), run = walk.run();
    if ((stride == 0 || stride == 1) && run >= least_cut) cut_ = cut_ ? std::min(cut_, run) : run;
  }
}

template <class T>
void Tiles<T>::place_held(size_t k, const MapCall& call) {
  Place& place = places_[inputs_ + k];
  const uint16_t value = code_.outputs[k].value;
  // What is stored over an input is there before the held values are read.
  const auto stored_over_it = [&](const View* output) {
    return output->shape == call.space && output->buffer == call.inputs[value]->buffer;
  };
  if (value < inputs_ && std::none_of(call.outputs.begin(), call.outputs.end(), stored_over_it)) {
    const Place& input = places_[value];
    const bool steps = input.way == Way::direct || input.way == Way::convert ||
                       (input.way == Way::walk && input.walk.inner_stride() != 0);
    if (steps) {
      place.way = Way::lent;
      return;
    }
  }
  place.way = Way::held;
  place.values = reserve(sizeof(T));
}

template <class T>
void Tiles<T>::place_output(size_t k, const View& view, bool conflict) {
  Place& place = places_[inputs_ + k];
  const bool same = view.dtype == dtype_of<T>;
  if (place.walk.linear()) {
    place.way = same && !conflict ? Way::direct : Way::convert;
  } else {
    place.way = Way::walk;
    if (!same) place.raw = reserve(size_of(view.dtype));
    if (place.walk.inner_stride() == 1 && place.walk.run() >= least_cut) {
      cut_ = cut_ ? std::min(cut_, place.walk.run()) : place.walk.run();
    }
  }
  if (place.way != Way::direct) place.values = reserve(sizeof(T));
}

template <class T>
void Tiles<T>::run(int64_t begin, int64_t end) const {
  Worker worker(*this);
  for (int64_t position = begin; position < end;) {
    const int64_t n = stretch(position, end);
    worker.run(position, n);
    position += n;
  }
}

template <class T>
Tiles<T>::Worker::Worker(const Tiles& tiles)
    : tiles_(tiles), operands_(static_cast<size_t>(tiles.code_.operands)), repeated_(tiles.inputs_), arena_(local_) {
  const Code<T>& code = tiles.code_;
  if (const int64_t bytes = tiles.element_bytes_ ? tiles.element_bytes_ * tiles.tile_ : 0; bytes > arena_bytes) {
    heap_ = Scratch<std::byte>(bytes);
    arena_ = heap_.data();
  }
  const auto fixed = [](const T* lanes) { return Operand{const_cast<T*>(lanes), 0}; };
  for (size_t i = 0; i < tiles.inputs_; ++i) operands_[i] = fixed(tiles.repeated_[i].lanes);
  for (size_t i = 0; i < tiles.scalars_; ++i) {
    operands_[static_cast<size_t>(code.first_scalar) + i] = fixed(tiles.repeated_[tiles.inputs_ + i].lanes);
  }
  for (int i = code.first_constant; i < code.first_slot; ++i) {
    operands_[static_cast<size_t>(i)] = fixed(code.constants.data() + (i - code.first_constant) * Code<T>::lanes);
  }
  for (int i = code.first_slot; i < code.first_output; ++i) {
    const int64_t offset = tiles.slots_ + static_cast<int64_t>(sizeof(T)) * (i - code.first_slot);
    operands_[static_cast<size_t>(i)] = {arena(offset), 1};
  }
}

template <class T>
void Tiles<T>::Worker::bind_input(size_t i, int64_t position, int64_t n) {
  const Place& place = tiles_.places_[i];
  const Convert load = kernels<T>().load[static_cast<int>(place.walk.dtype())];
  Operand& operand = operands_[i];
  switch (place.way) {
    case Way::unused:
    case Way::repeated:
    case Way::held:
    case Way::lent:
      return;
    case Way::direct:
      operand = {place.walk.at(position), 1};
      return;
    case Way::convert:
      operand = {arena(place.values), 1};
      load(place.walk.at(position), operand.data, n);
      return;
    case Way::walk:
      break;
  }
  const bool same = place.walk.dtype() == dtype_of<T>;
  const int64_t run = place.walk.run(), stride = place.walk.inner_stride();
  if ((stride == 0 || stride == 1) && position % run + n <= run) {
    // The tile lies within one row of this input.
    std::byte* first = place.walk.at(position);
    if (stride == 0) {
      T value;
      load(first, &value, 1);
      repeated_[i].fill(value);
      operand = {repeated_[i].lanes, 0};
    } else if (same) {
      operand = {first, 1};
    } else {
      operand = {arena(place.values), 1};
      load(first, operand.data, n);
    }
    return;
  }
  operand = {arena(place.values), 1};
  if (same) {
    place.walk.gather(position, n, operand.data);
  } else {
    place.walk.gather(position, n, arena(place.raw));
    load(arena(place.raw), operand.data, n);
  }
}

template <class T>
void Tiles<T>::Worker::bind_output(size_t k, int64_t position) {
  const Place& place = tiles_.places_[tiles_.inputs_ + k];
  Operand& operand = operands_[static_cast<size_t>(tiles_.code_.first_output) + k];
  operand = {arena(place.values), 1};
  if (place.way == Way::direct) operand.data = place.walk.at(position);
}

template <class T>
void Tiles<T>::Worker::store_output(size_t k, int64_t position, int64_t n) {
  const Place& place = tiles_.places_[tiles_.inputs_ + k];
  const void* values = arena(place.values);
  const Convert store = kernels<T>().store[static_cast<int>(place.walk.dtype())];
  if (place.way == Way::convert) {
    store(values, place.walk.at(position), n);
  } else if (place.way == Way::walk) {
    const int64_t run = place.walk.run();
    if (place.walk.inner_stride() == 1 && position % run + n <= run) {
      store(values, place.walk.at(position), n);
    } else if (place.walk.dtype() == dtype_of<T>) {
      place.walk.scatter(values, position, n);
    } else {
      store(values, arena(place.raw), n);
      place.walk.scatter(arena(place.raw), position, n);
    }
  }
}

template <class T>
const T* Tiles<T>::Worker::held(size_t output) const {
  const bool lent = tiles_.places_[tiles_.inputs_ + output].way == Way::lent;
  const size_t operand = lent ? tiles_.code_.outputs[output].value : tiles_.code_.first_output + output;
  return static_cast<const T*>(operands_[operand].data);
}

template <class T>
void Tiles<T>::Worker::run(int64_t position, int64_t n) {
  for (size_t i = 0; i < tiles_.inputs_; ++i) bind_input(i, position, n);
  for (size_t k = 0; k < tiles_.outputs_; ++k) bind_output(k, position);
  run_steps(tiles_.code_, operands_.data(), n,
            [&](size_t k) { return tiles_.places_[tiles_.inputs_ + k].way != Way::lent; });
  for (size_t k = 0; k < tiles_.outputs_; ++k) store_output(k, position, n);
}

template class Tiles<float>;
template class Tiles<double>;
template class Tiles<int32_t>;

}  // namespace fovea::cpu
