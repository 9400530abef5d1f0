#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "fovea/backends/dtype.h"
#include "fovea/backends/error.h"
#include "fovea/backends/format.h"
#include "fovea/backends/program.h"
#include "fovea/backends/shape.h"

namespace fovea {

class Backend;

/// Where tensors live: "cpu", "vulkan" (its first device) or "vulkan:1".
struct Device {
  enum class Kind : uint8_t { cpu, vulkan };
  Kind kind = Kind::cpu;
  uint8_t index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device vulkan(int index = 0) { return {Kind::vulkan, static_cast<uint8_t>(index)}; }
  /// Parses the names above. Throws DeviceError.
  static Device parse(std::string_view text, Caller caller = {});

  friend constexpr bool operator==(Device, Device) = default;
};

std::string to_string(Device device);

/// A block of device memory, shared by reference counting; made by Backend::allocate.
class Buffer {
 public:
  Buffer(Backend& backend, std::byte* host, uint64_t address, size_t bytes)
      : backend_(&backend), host_(host), address_(address), bytes_(bytes) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  Backend& backend() const { return *backend_; }
  /// The bytes where the host can touch them directly (the CPU backend), else null.
  std::byte* host() const { return host_; }
  /// The device's address of the bytes (Vulkan), else 0.
  uint64_t address() const { return address_; }
  size_t bytes() const { return bytes_; }

  /// Counts in-place changes; autograd compares it with what it was when a value was saved.
  uint32_t version = 0;

  /// Whether one of its references is a recording's, which only watches when the others go.
  std::atomic<bool> watched{false};
  uint32_t references() const { return references_.load(std::memory_order_acquire); }

 private:
  friend class BufferRef;
  Backend* backend_;
  std::byte* host_;
  uint64_t address_;
  size_t bytes_;
  std::atomic<uint32_t> references_{0};
};

class BufferRef {
 public:
  BufferRef() = default;
  explicit BufferRef(Buffer* buffer) : buffer_(buffer) { acquire(); }
  BufferRef(const BufferRef& other) : buffer_(other.buffer_) { acquire(); }
  BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  BufferRef& operator=(BufferRef other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~BufferRef() { release(); }

  Buffer* get() const { return buffer_; }
  Buffer* operator->() const { return buffer_; }
  Buffer& operator*() const { return *buffer_; }
  explicit operator bool() const { return buffer_; }
  /// Whether nobody else can see the memory.
  bool unique() const {
    return buffer_ && buffer_->references() == 1u + buffer_->watched.load(std::memory_order_relaxed);
  }

 private:
  void acquire() {
    if (buffer_) buffer_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  void release();

  Buffer* buffer_ = nullptr;
};

/// A strided window on a buffer; does not own it. Offsets and strides count elements.
struct View {
  Buffer* buffer = nullptr;
  int64_t offset = 0;
  DType dtype = DType::f32;
  Shape shape;
  Strides strides;

  int rank() const { return shape.rank(); }
  int64_t numel() const { return shape.numel(); }
  /// Row-major without gaps (axes of size 1 have any stride; an empty view is contiguous).
  bool is_contiguous() const;
  /// The first element, where the host can touch it.
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(buffer->host()) + offset;
  }
};

struct MemoryStats {
  size_t live = 0;        // bytes handed out now
  size_t peak = 0;        // the most that was handed out at once
  size_t cached = 0;      // bytes kept for reuse
  uint64_t requests = 0;  // allocations asked for
  uint64_t misses = 0;    // those that the cache could not serve
};

/// Runs `program` for every position of `space`. Inputs are broadcast: aligned at the last axis, a size of 1 or an
/// absent axis repeats. Outputs have the space's rank; where an output's size is 1 and the space's is not, the values
/// along that axis are folded by its `combine` (of nothing: 0 for a sum, -inf or +inf for maximum and minimum). All
/// arithmetic is in `compute` (f32, f64 or i32); loads and stores convert, a store to bool tests for non-zero, f32 to
/// i32 truncates.
struct MapCall {
  const Program& program;
  DType compute;
  const Shape& space;
  std::span<const View* const> inputs;
  std::span<const View* const> outputs;
  std::span<const double> scalars;
};

enum class Activation : uint8_t { none, relu, tanh, sigmoid, gelu };

/// out [batch..., m, n] = activation(a [batch..., m, k] b [batch..., k, n] + bias [n] + accumulate * out). Batch axes
/// of a and b are already expanded (stride 0) to those of out; any strides. All of one floating dtype.
/// With bf16_operands, which only backends take that has_bf16_operands(), a and b of f32 are rounded to bf16 first.
struct MatmulCall {
  const View& a;
  const View& b;
  const View& out;
  const View* bias = nullptr;
  Activation activation = Activation::none;
  bool accumulate = false;
  bool bf16_operands = false;
};

/// Row kernels take contiguous views [..., n] of one floating dtype and work on the last axis.
struct SoftmaxCall {
  const View& x;
  const View& out;
  bool log = false;
};
/// From y = softmax(x) or log_softmax(x) and dy: dx.
struct SoftmaxBackwardCall {
  const View& y;
  const View& dy;
  const View& dx;
  bool log = false;
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias over the last axis; `mean` and `rstd` [...] are kept for backward.
/// With `rms`: y = x / sqrt(mean(x^2) + eps) * weight, no mean, no bias.
struct LayerNormCall {
  const View& x;
  const View* weight;  // [n] or null
  const View* bias;    // [n] or null
  const View& y;
  const View* mean;  // null with rms
  const View& rstd;
  double eps;
  bool rms = false;
};
struct LayerNormBackwardCall {
  const View& x;
  const View* weight;
  const View* mean;  // null with rms
  const View& rstd;
  const View& dy;
  const View* dx;       // null where not wanted
  const View* dweight;  // null where not wanted
  const View* dbias;    // null where not wanted
  bool rms = false;
};

/// Per row of logits [rows, classes] with class ids targets [rows]:
///   loss = (1 - s) * w[t] * (lse - x[t]) + s / classes * sum_c w[c] * (lse - x[c]), 0 where t == ignore_index,
/// with lse = log sum exp x. Stores loss [rows] and lse [rows].
struct CrossEntropyCall {
  const View& logits;
  const View& targets;       // i32
  const View* class_weight;  // [classes] or null
  const View& loss;
  const View& lse;
  double label_smoothing = 0;
  int64_t ignore_index = -100;
};
/// dlogits = dloss[row] * d loss / d logits.
struct CrossEntropyBackwardCall {
  const View& logits;
  const View& targets;
  const View* class_weight;
  const View& lse;
  const View& dloss;  // [rows]
  const View& dlogits;
  double label_smoothing = 0;
  int64_t ignore_index = -100;
};

/// out = source gathered along `axis` by i32 `index`. Two forms:
///   rows:     index has any shape I; out is source.shape with `axis` replaced by I's axes (embedding, index_select);
///             axis must be 0 and source, out contiguous.
///   otherwise index has out's shape: out[.., i, ..] = source[.., index[.., i, ..], ..] (any strides).
struct GatherCall {
  const View& source;
  const View& index;
  const View& out;
  int axis = 0;
  bool rows = false;
};
/// The adjoint: adds `source` into `out` at `index`, in order of position, so that the sum is the same in every run.
/// `rows`: positions whose index is `skip` add nothing (an embedding's padding); -1 skips none.
struct ScatterAddCall {
  const View& source;
  const View& index;
  const View& out;
  int axis = 0;
  bool rows = false;
  int64_t skip = -1;
};

/// out [bags, d] = sum (or mean) of the rows table[index[j]] of each bag: j from offsets[b] to offsets[b + 1] or the
/// end. An empty bag gives 0.
struct BagCall {
  const View& table;    // [n, d]
  const View& index;    // i32 [m]
  const View& offsets;  // i32 [bags]
  const View& out;
  bool mean = false;
};
/// The gradient of a bag sum by distinct row: `rows` [u] in rising order, `values` [u, d]. The backend allocates both.
struct BagBackwardCall {
  const View& index;
  const View& offsets;
  const View& dout;  // [bags, d]
  bool mean = false;
  int64_t skip = -1;  // a row that gets no gradient
};
/// A matrix that is zero but for some rows.
struct RowSparse {
  BufferRef rows;    // i32 [count], rising
  BufferRef values;  // [count, width], contiguous
  int64_t count = 0;
};

/// Running sum (or product) along the last axis of contiguous x; `reverse` runs from the end, `exclusive` leaves out
/// the element itself.
struct ScanCall {
  const View& x;
  const View& out;
  bool product = false;
  bool reverse = false;
  bool exclusive = false;
};

/// Position (i32) of the greatest or least of the last axis of contiguous x, the first of equals; a NaN is the greatest
/// and the least of all.
struct ArgReduceCall {
  const View& x;
  const View& out;
  bool minimum = false;
};

/// Sorts the last axis of contiguous x, stably: `values` and i32 `indices`; the first k of each row (k = values' last
/// size). NaN counts as the greatest.
struct SortCall {
  const View& x;
  const View& values;
  const View& indices;
  bool descending = false;
};

/// Fills contiguous `out` from Philox 4x32-10 with key `seed` and counter `offset + i / 4` for element i (word i % 4).
///   uniform: (word >> 8) * 2^-24 in [0, 1), f32's and every other float's;  bits: the word as i32.
///   normal:  Box-Muller on the words in pairs: u = ((w0 >> 8) + 1) * 2^-24, v = (w1 >> 8) * 2^-24;
///            even elements sqrt(-2 ln u) cos(2 pi v), odd ones with sin.
struct RandomCall {
  enum class Kind : uint8_t { uniform, normal, bits };
  const View& out;
  Kind kind;
  uint64_t seed;
  uint64_t offset;
};

enum class RecurrentKind : uint8_t { rnn_tanh, rnn_relu, gru, lstm };

/// 1, 1, 3 (reset, update, new) and 4 (input, forget, cell, output): PyTorch's order.
constexpr int gates(RecurrentKind kind) { return kind == RecurrentKind::gru ? 3 : kind == RecurrentKind::lstm ? 4 : 1; }

/// One direction of one recurrent layer over all time steps; a call takes the directions of a layer, which differ in all but
/// kind, sizes and dtype and may be computed at the same time. Gate pre-activations from the input stand ready in
/// `projected` [batch, time, gates * hidden] = x W_ih^T + b_ih; formulas are PyTorch's (nn.RNN, nn.GRU, nn.LSTM).
/// A sequence runs for its own length; past it `output` is 0 and the state stays. `output` may be a slice of a wider
/// tensor (its last axis is dense); everything else is contiguous. f32 and f64.
struct RecurrentCall {
  RecurrentKind kind;
  const View& projected;
  const View& weight_hh;  // [gates * hidden, hidden]
  const View* bias_hh;    // [gates * hidden] or null
  const View* lengths;    // i32 [batch], each from 0 to time, or null
  const View* h0;         // [batch, hidden] or null for zeros
  const View* c0;         // lstm only
  bool reverse = false;
  const View& output;   // [batch, time, hidden]
  const View& h_last;   // [batch, hidden]
  const View* c_last;   // lstm only
  const View* reserve;  // [batch, time, reserve_width * hidden] for backward, or null where no gradient is wanted
};
/// What `reserve` holds per position: gru: r, z, n, (W_hn h + b_hn), h_prev;  lstm: i, f, g, o, c, h_prev;  rnn: h,
/// h_prev. (A backend may lay it out as it likes; only the width is agreed.)
constexpr int reserve_width(RecurrentKind kind) {
  return kind == RecurrentKind::gru ? 5 : kind == RecurrentKind::lstm ? 6 : 2;
}
using RecurrentCalls = std::span<const RecurrentCall>;
struct RecurrentBackwardCall {
  const RecurrentCall& forward;  // output is still valid; projected may be gone
  const View& doutput;           // [batch, time, hidden], last axis dense
  const View* dh_last;           // or null for zeros
  const View* dc_last;
  const View& dprojected;  // [batch, time, gates * hidden]
  const View& dweight_hh;  // [gates * hidden, hidden]
  const View* dbias_hh;    // [gates * hidden] or null
  const View* dh0;         // or null where not wanted
  const View* dc0;
};
using RecurrentBackwardCalls = std::span<const RecurrentBackwardCall>;

/// How the kernel of a convolution or a pooling steps over an image: {height, width}.
struct WindowSteps {
  int64_t stride[2] = {1, 1};
  int64_t padding[2] = {0, 0};
  int64_t dilation[2] = {1, 1};

  /// How many positions a kernel of `kernel` elements has along `axis` of `size`; less than 1 where it does not fit.
  int64_t positions(int axis, int64_t size, int64_t kernel) const {
    const int64_t room = size + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride[axis] + 1;
  }
};

/// Convolution is one trilinear form of x [batch, in, h, w], weight [out, in / groups, kh, kw] and y [batch, out, oh,
/// ow], the sum over every i, j, p, q of y[b, o, i, j] weight[o, c, p, q] x[b, g c, i stride + p dilation - padding,
/// ...]: its derivative by y is the convolution itself, those by x and weight are the gradients of one. The member
/// named by `product` is written from the two others. All contiguous, of one floating dtype. bf16_operands as in MatmulCall.
struct ConvolutionCall {
  enum class Product : uint8_t { y, x, weight };
  Product product;
  const View& x;
  const View& weight;
  const View& y;
  const View* bias = nullptr;  // [out], added to y
  WindowSteps steps;
  int64_t groups = 1;
  bool bf16_operands = false;
};

/// Greatest (with its flat position in the plane, i32, the first of equals; a NaN is the greatest) or mean of every
/// window of x [batch, channels, h, w] -> out [batch, channels, oh, ow]. Padding never wins the one and counts as 0 in
/// the other. Contiguous.
struct PoolCall {
  const View& x;
  const View& out;
  const View* index;  // the greatest where given, else the mean
  int64_t kernel[2];
  WindowSteps steps;
};
/// dx from dout: dout goes to the position in `index`, or in equal parts to the window.
struct PoolBackwardCall {
  const View& dout;
  const View* index;
  const View& dx;
  int64_t kernel[2];
  WindowSteps steps;
};

/// out = dropout(softmax(scale q k^T + bias)) v, over the keys that a query may read: those kept, and, of a query i at
/// position p = i + offset, with `causal` the keys j <= p, with `window` > 0 those with |p - j| < window. A query
/// without any gives 0. Head h reads key head h / (heads / key_heads). Dropout zeroes the weight (b, h, i, j) where
/// number ((b heads + h) queries + i) keys + j of the uniform stream of RandomCall(seed, counter) is below `dropout`,
/// and divides the others by 1 - dropout. q, k, v and out have a dense last axis and any other strides. f32 and f64.
/// bf16_operands as in MatmulCall, of every product in it.
struct AttentionCall {
  const View& q;     // [batch, heads, queries, d]
  const View& k;     // [batch, key_heads, keys, d]
  const View& v;     // [batch, key_heads, keys, dv]
  const View& out;   // [batch, heads, queries, dv]
  const View& lse;   // [batch, heads, queries], contiguous: log sum exp of each row's scores, for backward
  const View* bias;  // [batch, heads, queries, keys], any strides, or null
  const View* keep;  // bool [batch, keys], or null
  double scale;
  bool causal = false;
  int64_t offset = 0;
  int64_t window = 0;
  double dropout = 0;
  uint64_t seed = 0;
  uint64_t counter = 0;
  bool bf16_operands = false;
};
struct AttentionBackwardCall {
  const AttentionCall& forward;  // out is still valid
  const View& dout;              // last axis dense
  const View& dq;                // last axis dense, as of dk and dv
  const View& dk;
  const View& dv;
  const View* dbias;  // of bias' shape before it was expanded: axes of size 1 are summed over; contiguous; or null
};

/// Kernels that a device keeps ready, see Backend::prepare.
class PreparedKernels {
 public:
  virtual ~PreparedKernels() = default;
  virtual void run(size_t group) = 0;
};

/// What a device can do: a short list of kernels over views. One object per device. Calls are checked by the caller
/// (shapes, dtypes, devices); a kernel that a device lacks throws DeviceError. Work may be deferred; `read` waits for
/// what it needs.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual Device device() const = 0;
  virtual std::string description() const = 0;

  /// At least `bytes` bytes (0 is fine), aligned for any kernel, content undefined. Throws OutOfMemoryError.
  virtual BufferRef allocate(size_t bytes) = 0;
  /// Takes a buffer back whose last reference is gone; called by BufferRef alone.
  virtual void recycle(Buffer* buffer) noexcept = 0;
  virtual MemoryStats memory() const = 0;
  /// Bounds the bytes kept for reuse and gives back what is over. Returns the bound before.
  virtual size_t set_cache_limit(size_t bytes) = 0;
  /// Gives back all that is kept for reuse.
  void empty_cache() { set_cache_limit(set_cache_limit(0)); }
  /// The most bytes that one buffer can have.
  virtual size_t largest_allocation() const { return SIZE_MAX; }
  /// A buffer over some of the bytes of another, which must outlive it. Not for a BufferRef to hold.
  virtual std::shared_ptr<Buffer> part(const BufferRef& whole, size_t offset, size_t bytes) {
    return std::make_shared<Buffer>(*this, whole->host() + offset, 0, bytes);
  }

  virtual void write(Buffer& buffer, size_t offset, const void* source, size_t bytes) = 0;
  virtual void read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) = 0;
  /// Waits until all work is done.
  virtual void synchronize() = 0;

  virtual void map(const MapCall&) { lacks("map"); }
  virtual void matmul(const MatmulCall&) { lacks("matmul"); }
  /// Whether products of f32 are computed faster with operands rounded to bf16.
  virtual bool has_bf16_operands() const { return false; }
  virtual void softmax(const SoftmaxCall&) { lacks("softmax"); }
  virtual void softmax_backward(const SoftmaxBackwardCall&) { lacks("softmax_backward"); }
  virtual void layer_norm(const LayerNormCall&) { lacks("layer_norm"); }
  virtual void layer_norm_backward(const LayerNormBackwardCall&) { lacks("layer_norm_backward"); }
  virtual void cross_entropy(const CrossEntropyCall&) { lacks("cross_entropy"); }
  virtual void cross_entropy_backward(const CrossEntropyBackwardCall&) { lacks("cross_entropy_backward"); }
  virtual void gather(const GatherCall&) { lacks("gather"); }
  virtual void scatter_add(const ScatterAddCall&) { lacks("scatter_add"); }
  virtual void bag(const BagCall&) { lacks("bag"); }
  virtual RowSparse bag_backward(const BagBackwardCall&) { lacks("bag_backward"); }
  virtual void scan(const ScanCall&) { lacks("scan"); }
  virtual void arg_reduce(const ArgReduceCall&) { lacks("arg_reduce"); }
  virtual void sort(const SortCall&) { lacks("sort"); }
  virtual void random(const RandomCall&) { lacks("random"); }
  /// Whether recurrent layers run as one kernel; where not, autograd composes them step by step.
  virtual bool has_recurrent() const { return false; }
  virtual void recurrent(const RecurrentCalls&) { lacks("recurrent"); }
  virtual void recurrent_backward(const RecurrentBackwardCalls&) { lacks("recurrent_backward"); }
  /// The same of convolution and pooling, and of attention.
  virtual bool has_convolution() const { return false; }
  virtual void convolution(const ConvolutionCall&) { lacks("convolution"); }
  virtual void pool(const PoolCall&) { lacks("pool"); }
  virtual void pool_backward(const PoolBackwardCall&) { lacks("pool_backward"); }
  virtual bool has_attention() const { return false; }
  virtual void attention(const AttentionCall&) { lacks("attention"); }
  virtual void attention_backward(const AttentionBackwardCall&) { lacks("attention_backward"); }

  /// Notes the kernels of each group, which run only later, as often as one likes and at little cost: always the same ones on the
  /// same memory, which must stay. They have all run before. Null where the device gains nothing by it.
  virtual std::unique_ptr<PreparedKernels> prepare(std::span<const std::function<void()>> /*groups*/) { return {}; }

 protected:
  [[noreturn]] void lacks(const char* kernel) const;
};

inline void BufferRef::release() {
  if (buffer_ && buffer_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) buffer_->backend().recycle(buffer_);
}

/// The backend of a device, started on first use. Throws DeviceError where it is absent, saying why.
Backend& backend(Device device, Caller caller = {});

/// How many threads kernels may use; at first the number of cores this process may run on. Results do not depend on it.
int num_threads();
void set_num_threads(int threads);

}  // namespace fovea

template <>
struct fmt::formatter<fovea::Device> : fovea::TextFormatter {
  auto format(fovea::Device device, fmt::format_context& context) const {
    return write(fovea::to_string(device), context);
  }
};
template <>
struct fmt::formatter<fovea::DType> : fovea::TextFormatter {
  auto format(fovea::DType dtype, fmt::format_context& context) const { return write(fovea::name(dtype), context); }
};
