#pragma once

#include <array>
#include <concepts>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <vector>

#include "fovea/backends/backend.h"
#include "fovea/backends/format.h"
#include "fovea/tensor/pool.h"

namespace fovea {

class Tensor;
struct TensorImpl;

namespace autograd {
class Node;
struct LeafState;
void retain(Node* node) noexcept;
void release(Node* node) noexcept;

/// A shared reference to a node of the graph.
class NodeRef {
 public:
  NodeRef() = default;
  explicit NodeRef(Node* node) : node_(node) {
    if (node_) retain(node_);
  }
  NodeRef(const NodeRef& other) : NodeRef(other.node_) {}
  NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef() {
    if (node_) release(node_);
  }
  Node* get() const { return node_; }
  Node* operator->() const { return node_; }
  explicit operator bool() const { return node_; }

 private:
  Node* node_ = nullptr;
};
}  // namespace autograd

/// Element type and place of a new tensor: `zeros({2, 3}, {.dtype = f64})`.
struct TensorOptions {
  DType dtype = f32;
  Device device = {};
};

/// Which axes an operation works on, negative ones counted from the end; all of them where none is named.
struct Axes {
  Axes() = default;
  Axes(int axis) : list{axis} {}
  Axes(std::initializer_list<int64_t> axes) : list(axes) {}
  explicit Axes(std::span<const int64_t> axes) : list(axes) {}
  bool all() const { return list.rank() == 0; }
  Shape list;
};

/// What elements are read as on the host.
template <class T>
concept HostElement = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, int32_t> ||
    std::same_as<T, int64_t> || std::same_as<T, uint8_t> || std::same_as<T, bool>;

/// An n-dimensional array: a cheap handle to shared storage. Copying a handle shares the elements; views (reshape,
/// transpose, slice, ...) do too. Operations are free functions (`matmul(a, b)`, `softmax(x, -1)`) in fovea/autograd;
/// they are recorded for the backward pass where an input requires a gradient.
class Tensor {
 public:
  /// No tensor at all: `defined()` is false.
  Tensor() = default;
  Tensor(const Tensor& other) noexcept;
  Tensor(Tensor&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  /// Of a tensor that has a name: `x.select(0, 1) = y` would change nothing; see copy_.
  Tensor& operator=(Tensor other) & noexcept {
    std::swap(impl_, other.impl_);
    return *this;
  }
  ~Tensor();

  bool defined() const { return impl_; }
  const Shape& shape(Caller caller = {}) const;
  const Strides& strides() const;
  int rank(Caller caller = {}) const { return shape(caller).rank(); }
  /// The size of one axis; negative axes count from the end. Throws IndexError.
  int64_t size(int axis, Caller caller = {}) const;
  int64_t numel(Caller caller = {}) const { return shape(caller).numel(); }
  DType dtype(Caller caller = {}) const;
  Device device(Caller caller = {}) const;
  TensorOptions options() const { return {dtype(), device()}; }
  bool is_contiguous() const;

  /// The window on the device's memory that kernels take, and the device.
  const View& view() const;
  const BufferRef& buffer() const;
  Backend& backend() const { return buffer()->backend(); }

  // Views: the elements are shared, nothing is copied. A gradient flows through each.

  /// The same elements in row-major order; one size may be -1. Copies where strides do not allow a view.
  Tensor reshape(const Shape& shape, Caller caller = {}) const;
  /// As reshape, but throws ShapeError where it would have to copy.
  Tensor view(const Shape& shape, Caller caller = {}) const;
  Tensor permute(const Shape& axes, Caller caller = {}) const;
  Tensor transpose(int axis0, int axis1, Caller caller = {}) const;
  /// The last two axes swapped.
  Tensor mT(Caller caller = {}) const { return transpose(-2, -1, caller); }
  /// Elements start, start + step, ... before end of one axis; negative bounds count from the end, bounds are clamped.
  Tensor slice(int axis, int64_t start, int64_t end = INT64_MAX, int64_t step = 1, Caller caller = {}) const;
  /// One element of an axis, which goes.
  Tensor select(int axis, int64_t index, Caller caller = {}) const;
  /// Axes of size 1 repeated; -1 keeps a size; new axes in front.
  Tensor expand(const Shape& shape, Caller caller = {}) const;
  /// Without the axes of size 1 (all, or the one named where its size is 1).
  Tensor squeeze(Caller caller = {}) const;
  Tensor squeeze(int axis, Caller caller = {}) const;
  Tensor unsqueeze(int axis, Caller caller = {}) const;
  /// Axes first to last joined into one.
  Tensor flatten(int first = 0, int last = -1, Caller caller = {}) const;
  /// Pieces of `size` along an axis, the last one smaller where it does not divide.
  std::vector<Tensor> split(int64_t size, int axis = 0, Caller caller = {}) const;
  /// At most n pieces along an axis, all of one size but the last, which may be smaller.
  std::vector<Tensor> chunk(int64_t n, int axis = 0, Caller caller = {}) const;
  /// Every element of an axis, which goes.
  std::vector<Tensor> unbind(int axis = 0, Caller caller = {}) const;
  Tensor flip(Axes axes, Caller caller = {}) const;
  /// The elements [.., i, .., i + offset, ..] of two axes (from [-offset, 0] on where it is negative) as the last axis,
  /// in place of those two.
  Tensor diagonal(int64_t offset = 0, int axis0 = 0, int axis1 = 1, Caller caller = {}) const;
  /// The windows of `size` elements of an axis that begin at every step-th place, those within `dilation` apart: the axis
  /// counts windows, and a new last one their elements. Windows that overlap share memory, which nothing may be written
  /// into.
  Tensor unfold(int axis, int64_t size, int64_t step = 1, int64_t dilation = 1, Caller caller = {}) const;

  /// Itself where row-major without gaps, else a copy that is.
  Tensor contiguous(Caller caller = {}) const;
  Tensor clone(Caller caller = {}) const;
  /// Converted; itself where nothing changes. Differentiable between floating dtypes and between devices.
  Tensor to(DType dtype, Caller caller = {}) const;
  Tensor to(Device device, Caller caller = {}) const;

  // Values on the host.

  /// The only element. Throws ShapeError where there is not exactly one.
  template <HostElement T = double>
  T item(Caller caller = {}) const;
  /// All elements in row-major order, converted.
  template <HostElement T>
  std::vector<T> to_vector(Caller caller = {}) const;

  // In place, outside the graph: throws AutogradError on a tensor whose gradient is being recorded (use NoGrad), and where
  // one is read, whose gradient would end there (use its detach()).

  Tensor& fill_(double value, Caller caller = {});
  Tensor& zero_(Caller caller = {}) { return fill_(0, caller); }
  /// Broadcasts and converts.
  Tensor& copy_(const Tensor& source, Caller caller = {});
  /// this += scale * other.
  Tensor& add_(const Tensor& other, double scale = 1, Caller caller = {});
  Tensor& mul_(double factor, Caller caller = {});

  // Gradients.

  bool requires_grad() const;
  /// For leaves of floating dtype. Throws AutogradError.
  Tensor& set_requires_grad(bool requires_grad = true, Caller caller = {});
  /// True where no recorded operation made this tensor.
  bool is_leaf() const;
  /// The accumulated gradient of a leaf; undefined where none has arrived.
  Tensor grad() const;
  /// Undefined: none. Throws ShapeError, DTypeError, DeviceError where it is not like this tensor.
  void set_grad(Tensor grad, Caller caller = {});
  /// The accumulated gradient by rows, where the layer that uses this leaf makes sparse ones; null else.
  const RowSparse* sparse_grad() const;
  void set_sparse_grad(std::optional<RowSparse> grad);
  void zero_grad();
  /// Runs the backward pass from this tensor; see autograd::backward.
  void backward(Caller caller = {}) const;
  void backward(const Tensor& gradient, Caller caller = {}) const;
  /// The same elements outside the graph.
  Tensor detach() const;
  /// Calls `hook` with this tensor's gradient when it is complete; what it returns, where defined, replaces it. Returns
  /// a key for remove_hook.
  int64_t register_hook(std::function<Tensor(const Tensor&)> hook, Caller caller = {}) const;
  void remove_hook(int64_t key) const;

  TensorImpl* impl() const { return impl_; }
  explicit Tensor(TensorImpl* impl) noexcept;

 private:
  TensorImpl* impl_ = nullptr;
};

/// What a handle points to.
struct TensorImpl : Pooled<TensorImpl> {
  TensorImpl() = default;
  ~TensorImpl();

  ReferenceCount references;
  bool requires_grad = false;  // a leaf's own wish; with grad_fn always true
  uint32_t output_index = 0;   // which output of grad_fn
  BufferRef buffer;
  View view;
  autograd::NodeRef grad_fn;                  // what made it, where recorded
  std::shared_ptr<autograd::LeafState> leaf;  // gradient and hooks of a leaf, where it has any
};

inline Tensor::Tensor(TensorImpl* impl) noexcept : impl_(impl) {
  if (impl_) impl_->references.add();
}
inline Tensor::Tensor(const Tensor& other) noexcept : Tensor(other.impl_) {}
inline Tensor::~Tensor() {
  if (impl_ && impl_->references.drop()) delete impl_;
}

namespace detail {
[[noreturn]] void undefined_tensor(Caller caller);
inline TensorImpl& checked(TensorImpl* impl, Caller caller = {"", 0}) {
  if (!impl) undefined_tensor(caller);
  return *impl;
}
}  // namespace detail

inline const View& Tensor::view() const { return detail::checked(impl_).view; }
inline const BufferRef& Tensor::buffer() const { return detail::checked(impl_).buffer; }
inline const Shape& Tensor::shape(Caller caller) const { return detail::checked(impl_, caller).view.shape; }
inline const Strides& Tensor::strides() const { return view().strides; }
inline DType Tensor::dtype(Caller caller) const { return detail::checked(impl_, caller).view.dtype; }
inline Device Tensor::device(Caller caller) const { return detail::checked(impl_, caller).buffer->backend().device(); }
inline bool Tensor::is_contiguous() const { return view().is_contiguous(); }
inline bool Tensor::requires_grad() const { return impl_ && impl_->requires_grad; }
inline bool Tensor::is_leaf() const { return !impl_ || !impl_->grad_fn; }

/// An axis counted from the front. Throws IndexError naming the operation.
int normalize_axis(int64_t axis, int rank, const char* operation, Caller caller);
/// Which of the axes of a tensor are meant. Throws IndexError for one that there is not, ValueError for one that is named
/// twice, naming the operation.
std::array<bool, max_rank> chosen_axes(const Axes& axes, int rank, const char* operation, Caller caller);

/// Prints values with sensible elision, shape and dtype: numpy's way.
std::string to_string(const Tensor& tensor);
std::ostream& operator<<(std::ostream& stream, const Tensor& tensor);

}  // namespace fovea

template <>
struct fmt::formatter<fovea::Tensor> : fovea::TextFormatter {
  auto format(const fovea::Tensor& tensor, fmt::format_context& context) const {
    return write(fovea::to_string(tensor), context);
  }
};
