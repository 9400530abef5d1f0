#include <algorithm>
#include <numeric>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/gemm.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/recurrent_kernels.h"
#include "fovea/backends/cpu/round_up.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

// The sequences from the longest to the shortest, in blocks that do not depend on the number of threads. A row's result
// does not depend on its block.
class Batch {
 public:
  Batch(const View& projected, const View* lengths, int64_t rows_at_once)
      : count_(projected.shape[0]), row_block_(rows_at_once), order_(count_), length_(count_) {
    const int64_t time = projected.shape[1];
    const int64_t step = lengths ? lengths->strides[0] : 0;
    const auto length = [&](int64_t b) { return lengths ? lengths->data<int32_t>()[b * step] : time; };
    std::iota(order_.data(), order_.data() + count_, 0);
    if (lengths) {
      std::sort(order_.data(), order_.data() + count_,
                [&](int64_t a, int64_t b) { return length(a) != length(b) ? length(a) > length(b) : a < b; });
    }
    for (int64_t i = 0; i < count_; ++i) length_[i] = length(order_[i]);
  }
  int64_t blocks() const { return (count_ + row_block_ - 1) / row_block_; }
  RecurrentRows block(int64_t i) const {
    const int64_t first = i * row_block_;
    return {order_.data() + first, length_.data() + first, std::min(row_block_, count_ - first)};
  }

 private:
  int64_t count_, row_block_;
  Scratch<int64_t> order_, length_;
};

// Weights that outgrow the second-level cache are read from further away in every step: more rows share them.
int64_t rows_at_once(int64_t weights) { return weights * int64_t{4} > (1 << 20) ? 64 : 16; }

// The panels of the forward product: [hidden / (units * lanes)][k][units][gates][lanes].
template <class T>
void pack_forward(RecurrentKind kind, int64_t hidden, int64_t lanes, int64_t units, const T* weight, T* packed) {
  for (int64_t column = 0; column < hidden; column += units * lanes) {
    for (int64_t k = 0; k < hidden; ++k) {
      for (int64_t u = 0; u < units; ++u) {
        for (int64_t g = 0; g < gates(kind); ++g, packed += lanes) {
          const int64_t first = column + u * lanes, here = std::clamp<int64_t>(hidden - first, 0, lanes);
          const T* from = weight + (g * hidden + first) * hidden + k;
          for (int64_t l = 0; l < here; ++l) packed[l] = from[l * hidden];
          std::fill(packed + here, packed + lanes, T(0));
        }
      }
    }
  }
}

// [hidden / (units * lanes)][units][gates][lanes]
template <class T>
void pack_bias(RecurrentKind kind, int64_t hidden, int64_t lanes, int64_t units, const T* bias, T* packed) {
  for (int64_t first = 0; first < round_up(hidden, units * lanes); first += lanes) {
    for (int64_t g = 0; g < gates(kind); ++g) {
      for (int64_t l = 0; l < lanes; ++l) *packed++ = bias && first + l < hidden ? bias[g * hidden + first + l] : T(0);
    }
  }
}

// The panels of the backward product: [hidden / (units * lanes)][gates * hidden][units * lanes].
template <class T>
void pack_backward(RecurrentKind kind, int64_t hidden, int64_t columns, const T* weight, T* packed) {
  for (int64_t first = 0; first < hidden; first += columns) {
    const int64_t here = std::min(columns, hidden - first);
    for (int64_t k = 0; k < gates(kind) * hidden; ++k, packed += columns) {
      std::copy_n(weight + k * hidden + first, here, packed);
      std::fill(packed + here, packed + columns, T(0));
    }
  }
}

template <class T>
T* data_or_null(const View* view) {
  return view ? view->data<T>() : nullptr;
}

template <class T>
void forward(const RecurrentCall& call) {
  const int64_t batch = call.projected.shape[0], time = call.projected.shape[1], hidden = call.weight_hh.shape[1];
  const RecurrentLayout layout = recurrent_layout(sizeof(T));
  const int64_t units = gates(call.kind) == 1 ? layout.single_units : 1;
  const int64_t width = round_up(hidden, units * layout.lanes) * gates(call.kind);
  const Scratch<T> weight(width * hidden), bias(width);
  pack_forward(call.kind, hidden, layout.lanes, units, call.weight_hh.data<T>(), weight.data());
  pack_bias(call.kind, hidden, layout.lanes, units, data_or_null<T>(call.bias_hh), bias.data());
  T* reserve = data_or_null<T>(call.reserve);
  const RecurrentForward<T> pass{.kind = call.kind,
                                 .time = time,
                                 .hidden = hidden,
                                 .reverse = call.reverse,
                                 .projected = call.projected.data<T>(),
                                 .weight = weight.data(),
                                 .bias = bias.data(),
                                 .h0 = data_or_null<T>(call.h0),
                                 .c0 = data_or_null<T>(call.c0),
                                 .output = call.output.data<T>(),
                                 .output_batch = call.output.strides[0],
                                 .output_time = call.output.strides[1],
                                 .h_last = call.h_last.data<T>(),
                                 .c_last = data_or_null<T>(call.c_last),
                                 .h_before = reserve,
                                 .kept = reserve ? reserve + batch * time * hidden : nullptr};
  const Batch rows(call.projected, call.lengths, rows_at_once(hidden * gates(call.kind) * hidden));
  parallel_for(rows.blocks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) run_forward(pass, rows.block(block));
  });
}

template <class T>
void backward(const RecurrentBackwardCall& call) {
  const RecurrentCall& forward = call.forward;
  const RecurrentKind kind = forward.kind;
  const View& shape = call.dprojected;
  const int64_t batch = shape.shape[0], time = shape.shape[1], hidden = forward.weight_hh.shape[1];
  const int64_t all = gates(kind) * hidden, places = batch * time;
  const bool gru = kind == RecurrentKind::gru;
  const RecurrentLayout layout = recurrent_layout(sizeof(T));
  const int64_t columns = layout.back_units * layout.lanes, bias_width = round_up(hidden, layout.lanes);
  const Scratch<T> weight(round_up(hidden, columns) * all), dnew(gru ? places * hidden : 0);
  pack_backward(kind, hidden, columns, forward.weight_hh.data<T>(), weight.data());
  const T* reserve = forward.reserve->data<T>();
  const RecurrentBackward<T> pass{.kind = kind,
                                  .time = time,
                                  .hidden = hidden,
                                  .reverse = forward.reverse,
                                  .weight = weight.data(),
                                  .h_before = reserve,
                                  .kept = reserve + places * hidden,
                                  .c0 = data_or_null<T>(forward.c0),
                                  .doutput = call.doutput.data<T>(),
                                  .doutput_batch = call.doutput.strides[0],
                                  .doutput_time = call.doutput.strides[1],
                                  .dh_last = data_or_null<T>(call.dh_last),
                                  .dc_last = data_or_null<T>(call.dc_last),
                                  .dprojected = call.dprojected.data<T>(),
                                  .dnew = dnew.data(),
                                  .dh0 = data_or_null<T>(call.dh0),
                                  .dc0 = data_or_null<T>(call.dc0)};
  const Batch rows(shape, forward.lengths, rows_at_once(hidden * all));
  const int64_t bias_size = gates(kind) * bias_width;
  const Scratch<T> partial(rows.blocks() * bias_size);
  std::fill_n(partial.data(), rows.blocks() * bias_size, T(0));
  parallel_for(rows.blocks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      run_backward(pass, rows.block(block), partial.data() + block * bias_size);
  });
  if (call.dbias_hh) {
    T* dbias = call.dbias_hh->data<T>();
    for (int64_t i = 0; i < all; ++i) {
      T sum = 0;
      for (int64_t block = 0; block < rows.blocks(); ++block)
        sum += partial[block * bias_size + i / hidden * bias_width + i % hidden];
      dbias[i] = sum;
    }
  }
  // The weights' gradient over all positions at once. In a GRU the hidden part of the new gate has its own gradient.
  const Matrix<T> before{reserve, hidden, 1};
  const int64_t plain = gru ? 2 * hidden : all;
  T* dweight = call.dweight_hh.data<T>();
  parallel_gemm(plain, hidden, places, Matrix<T>{pass.dprojected, 1, all}, before, dweight, hidden, false);
  if (gru)
    parallel_gemm(hidden, hidden, places, Matrix<T>{dnew.data(), 1, hidden}, before, dweight + plain * hidden, hidden,
                  false);
}

}  // namespace

void recurrent(const RecurrentCall& call) {
  if (call.projected.dtype == DType::f64) return forward<double>(call);
  if (call.projected.dtype == DType::f32) return forward<float>(call);
  raise<DTypeError>({}, "recurrent: {} is neither f32 nor f64", call.projected.dtype);
}

void recurrent_backward(const RecurrentBackwardCall& call) {
  if (call.dprojected.dtype == DType::f64) return backward<double>(call);
  if (call.dprojected.dtype == DType::f32) return backward<float>(call);
  raise<DTypeError>({}, "recurrent_backward: {} is neither f32 nor f64", call.dprojected.dtype);
}

}  // namespace fovea::cpu
