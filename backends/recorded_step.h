#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "fovea/backends/backend.h"

// A step as its backend saw it: the list of its kernels. recording.h makes one, step_plan.h runs it again.
namespace fovea {

/// A buffer that recorded kernels use.
struct RecordedBuffer {
  enum class Kind : uint8_t {
    outside,  // was there before: a parameter, a running mean
    argument,  // given anew for every run, as argument number `place`: the function's, then the gradients that it adds to
    result,    // given back by every run, as result number `place`
    kept,      // made by the step and held by someone beyond its end: a gradient
    scratch,  // made by the step and gone by its end
  };
  Kind kind = Kind::outside;
  size_t bytes = 0;
  size_t place = 0;
  uint32_t mark = 0;    // of one outside, when it was first used; see Buffer::mark
  BufferRef held = {};  // the memory of those outside or kept
};

/// An elementwise call, in a form that can be merged with its neighbours.
struct RecordedMap {
  const Program* program;
  DType compute;
  Shape space;
  std::vector<const View*> inputs;
  std::vector<const View*> outputs;
  std::vector<double> scalars;

  MapCall call() const { return {*program, compute, space, inputs, outputs, scalars}; }
};

struct RecordedCall {
  const char* name;
  std::string module = {};            // that it was made in, for errors
  Caller where = {"", 0};             // of its operation, where that is known
  std::vector<uint32_t> reads = {};   // buffers
  std::vector<uint32_t> writes = {};  // buffers; one that is updated stands in both
  std::function<void(Backend&)> run = {};
  std::unique_ptr<RecordedMap> map = {};  // in place of `run`
  bool lasting = false;                   // does more than write buffers, so that it is never dropped
  bool varies = false;                    // does something else in each run (as each that lasts): random numbers
  uint64_t signature = 0;                 // of all that must be alike in every step
};

/// The kernels of one run in their order. Kernels hold pointers to the views, which stay where they are.
struct RecordedStep {
  std::vector<RecordedCall> calls;
  std::deque<View> views;
  std::vector<uint32_t> buffer_of;  // by view
  std::vector<RecordedBuffer> buffers;
  std::deque<Program> programs;  // copies: the step may outlive whoever made them
  uint64_t numbers = 0;          // how far the generator of random numbers moves in a run
};

/// Where the random numbers of a run begin; recorded kernels count from there.
struct RandomStart {
  uint64_t seed = 0;
  uint64_t offset = 0;
  uint64_t* position = nullptr;  // how far the generator is by now
};

}  // namespace fovea
