#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Softmax, layer norm and cross entropy, forward and backward: kernels that work on whole rows.
namespace fovea::vulkan {
namespace {

double work_of(const View& view) { return 16.0 * static_cast<double>(view.numel()); }

// Sums over all rows: dweight = sum dy (x - mean) rstd, dbias = sum dy. By a program, whose folds are good at columns.
const Program& parameter_gradients(bool rms) {
  const auto make = [](bool without_mean) {
    Program p;
    p.name = "layer_norm_backward";
    const auto input = [&p] {
      Instruction i{Op::input};
      i.index = static_cast<uint16_t>(p.inputs++);
      p.code.push_back(i);
    };
    input();                     // 0: dy
    input();                     // 1: x
    input();                     // 2: rstd
    if (!without_mean) input();  // 3: mean
    const auto emit = [&p](Op op, uint16_t a, uint16_t b) {
      p.code.push_back({op, {a, b}});
      return static_cast<uint16_t>(p.code.size() - 1);
    };
    const uint16_t centred = without_mean ? uint16_t{1} : emit(Op::sub, 1, 3);
    p.outputs = {{emit(Op::mul, 0, emit(Op::mul, centred, 2))}, {0}};
    return p;
  };
  static const Program with_mean = make(false), without_mean = make(true);
  return rms ? without_mean : with_mean;
}

// The same elements as rows and columns.
View matrix(const View& view, int64_t rows, int64_t columns) {
  View result = view;
  result.shape = {rows, columns};
  result.strides = {columns, 1};
  return result;
}

// A view of one value a row, whatever its rank, as a column.
View column(const DenseView& dense, int64_t rows) { return matrix(*dense.get(), rows, 1); }

// How cross entropy and its gradient end what they push.
struct Classes {
  uint32_t rows, classes;
  int32_t ignore;
  float smoothing;
};
template <class Call>
Classes classes_of(const Call& call, const Rows& rows) {
  return {word(rows.count), word(rows.n), static_cast<int32_t>(call.ignore_index),
          static_cast<float>(call.label_smoothing)};
}

}  // namespace

void softmax(Engine& engine, const SoftmaxCall& call) {
  const Rows rows(engine, call.x);
  struct {
    uint64_t x, out;
    uint32_t rows, n, logarithm, unused;
  } push{address_of(call.x), address_of(call.out), word(rows.count), word(rows.n), call.log, 0};
  engine.launch({.code = shaders::softmax,
                 .constants = {rows.threads, type_constant("softmax", call.x), rows.lanes},
                 .name = "softmax",
                 .shape = call.x.shape,
                 .reads = {&call.x},
                 .writes = {&call.out},
                 .groups = rows.groups(),
                 .work = work_of(call.x)},
                push);
}

void softmax_backward(Engine& engine, const SoftmaxBackwardCall& call) {
  const Rows rows(engine, call.y);
  struct {
    uint64_t y, dy, dx;
    uint32_t rows, n, logarithm, unused;
  } push{address_of(call.y), address_of(call.dy), address_of(call.dx), word(rows.count), word(rows.n), call.log, 0};
  engine.launch({.code = shaders::softmax_backward,
                 .constants = {rows.threads, type_constant("softmax_backward", call.y), rows.lanes},
                 .name = "softmax_backward",
                 .shape = call.y.shape,
                 .reads = {&call.y, &call.dy},
                 .writes = {&call.dx},
                 .groups = rows.groups(),
                 .work = work_of(call.y)},
                push);
}

void layer_norm(Engine& engine, const LayerNormCall& call) {
  const Rows rows(engine, call.x);
  const DenseView weight(engine, call.weight), bias(engine, call.bias);
  struct {
    uint64_t x, weight, bias, y, mean, rstd;
    uint32_t rows, n, rms;
    float eps;
  } push{address_of(call.x),    weight.address(), bias.address(), address_of(call.y), address_of(call.mean),
         address_of(call.rstd), word(rows.count), word(rows.n),   call.rms,           static_cast<float>(call.eps)};
  engine.launch({.code = shaders::layer_norm,
                 .constants = {rows.threads, type_constant("layer_norm", call.x), rows.lanes,
                               type_constant("layer_norm", call.rstd)},
                 .name = "layer_norm",
                 .shape = call.x.shape,
                 .reads = {&call.x, weight.get(), bias.get()},
                 .writes = {&call.y, call.mean, &call.rstd},
                 .groups = rows.groups(),
                 .work = work_of(call.x)},
                push);
}

void layer_norm_backward(Engine& engine, const LayerNormBackwardCall& call) {
  const Rows rows(engine, call.x);
  const DenseView weight(engine, call.weight);
  const DenseView mean(engine, call.rms ? nullptr : call.mean), rstd(engine, call.rstd);
  if (call.dx) {
    struct {
      uint64_t x, weight, mean, rstd, dy, dx;
      uint32_t rows, n, rms, unused;
    } push{address_of(call.x),  weight.address(), mean.address(), rstd.address(), address_of(call.dy),
           address_of(call.dx), word(rows.count), word(rows.n),   call.rms,       0};
    engine.launch({.code = shaders::layer_norm_backward,
                   .constants = {rows.threads, type_constant("layer_norm_backward", call.x), rows.lanes,
                                 type_constant("layer_norm_backward", call.rstd)},
                   .name = "layer_norm_backward",
                   .shape = call.x.shape,
                   .reads = {&call.x, weight.get(), mean.get(), rstd.get(), &call.dy},
                   .writes = {call.dx},
                   .groups = rows.groups(),
                   .work = work_of(call.x)},
                  push);
  }
  if (!call.dweight && !call.dbias) return;
  const View x = matrix(call.x, rows.count, rows.n), dy = matrix(call.dy, rows.count, rows.n);
  const View scale = column(rstd, rows.count), centre = call.rms ? View{} : column(mean, rows.count);
  const View* inputs[] = {&dy, &x, &scale, &centre};
  // The program's outputs that are wanted, as programs of their own where it is only one.
  BufferRef unwanted;
  const auto target = [&](const View* view) {
    View result = view ? *view : engine.scratch(unwanted, f32, {rows.n});
    result.strides = {0, result.strides[0]};
    result.shape = {1, rows.n};
    return result;
  };
  const View dweight = target(call.dweight), dbias = target(call.dbias);
  const View* outputs[] = {&dweight, &dbias};
  map(engine, {parameter_gradients(call.rms), f32, x.shape, std::span(inputs).first(call.rms ? 3 : 4), outputs, {}});
}

void cross_entropy(Engine& engine, const CrossEntropyCall& call) {
  const Rows rows(engine, call.logits);
  const DenseView targets(engine, call.targets), weight(engine, call.class_weight);
  struct {
    uint64_t logits, targets, weight, loss, fault;
    Classes classes;
  } push{address_of(call.logits),
         targets.address(),
         weight.address(),
         address_of(call.loss),
         engine.fault_address("cross_entropy"),
         classes_of(call, rows)};
  engine.launch({.code = shaders::cross_entropy,
                 .constants = {rows.threads, type_constant("cross_entropy", call.logits), rows.lanes,
                               type_constant("cross_entropy", call.loss)},
                 .name = "cross_entropy",
                 .shape = call.logits.shape,
                 .reads = {&call.logits, targets.get(), weight.get()},
                 .writes = {&call.loss},
                 .groups = rows.groups(),
                 .work = work_of(call.logits)},
                push);
}

void cross_entropy_backward(Engine& engine, const CrossEntropyBackwardCall& call) {
  const Rows rows(engine, call.logits);
  const DenseView targets(engine, call.targets), weight(engine, call.class_weight), dloss(engine, call.dloss);
  struct {
    uint64_t logits, targets, weight, dloss, dlogits;
    Classes classes;
  } push{address_of(call.logits), targets.address(),        weight.address(),
         dloss.address(),         address_of(call.dlogits), classes_of(call, rows)};
  engine.launch({.code = shaders::cross_entropy_backward,
                 .constants = {rows.threads, type_constant("cross_entropy_backward", call.logits), rows.lanes,
                               type_constant("cross_entropy_backward", call.dloss)},
                 .name = "cross_entropy_backward",
                 .shape = call.logits.shape,
                 .reads = {&call.logits, targets.get(), weight.get(), dloss.get()},
                 .writes = {&call.dlogits},
                 .groups = rows.groups(),
                 .work = work_of(call.logits)},
                push);
}

}  // namespace fovea::vulkan
