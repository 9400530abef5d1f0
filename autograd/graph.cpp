#include "fovea/autograd/graph.h"

#include "fovea/autograd/backward.h"
#include "fovea/autograd/gradient_log.h"
#include "fovea/autograd/step_state.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

thread_local bool grad_mode = true;
thread_local bool anomaly = false;

}  // namespace

bool grad_enabled() { return grad_mode; }
GradMode::GradMode(bool enabled) : before_(std::exchange(grad_mode, enabled)) {}
GradMode::~GradMode() { grad_mode = before_; }

AnomalyMode::AnomalyMode() : before_(std::exchange(anomaly, true)) {}
AnomalyMode::~AnomalyMode() { anomaly = before_; }

namespace autograd {

bool anomaly_enabled() { return anomaly; }

void check_for_nan(const Tensor& tensor, const char* name, Caller where, const char* what) {
  if (!tensor.defined() || !is_floating(tensor.dtype())) return;
  refuse_while_recording("AnomalyMode", where);
  static const Program any_nan = program_of("any_nan", Op::isnan, Combine::maximum);
  if (tensor.numel() == 0) return;
  Shape one = tensor.shape();
  for (int axis = 0; axis < one.rank(); ++axis) one[axis] = 1;
  Tensor found = raw::empty(one, tensor.options());
  raw::map(any_nan, raw::compute_dtype(tensor.dtype()), tensor.shape(), {&tensor}, {&found});
  if (found.item<double>() != 0) raise<AutogradError>(where, "{}: NaN in its {} {}", name, what, tensor.shape());
}

void retain(Node* node) noexcept { node->references_.add(); }

// A dead node's edges release further nodes: they queue up here instead of recursing, so that a chain of any length is
// freed in constant stack.
void release(Node* node) noexcept {
  if (!node->references_.drop()) return;
  struct Queue {
    Node* first = nullptr;
    bool draining = false;
  };
  thread_local Queue of_thread;
  Queue& dead = of_thread;
  node->next_dead_ = std::exchange(dead.first, node);
  if (dead.draining) return;
  dead.draining = true;
  while (dead.first) delete std::exchange(dead.first, dead.first->next_dead_);
  dead.draining = false;
}

Edge::Edge(const Tensor& input) {
  if (!input.requires_grad()) return;
  if (TensorImpl* impl = input.impl(); impl->grad_fn) {
    node = impl->grad_fn;
    index = impl->output_index;
    form = form_of(input);
  } else {
    leaf = input;
  }
}

void attach(Tensor& out, NodeRef node, uint32_t index) {
  TensorImpl* impl = out.impl();
  if (impl->grad_fn || impl->references.value() != 1) {
    // Someone else holds this very tensor: record on a handle of our own.
    out = raw::window(out, out.shape(), out.strides(), out.view().offset);
    impl = out.impl();
  }
  impl->grad_fn = std::move(node);
  impl->output_index = index;
  impl->requires_grad = true;
}

}  // namespace autograd

namespace autograd {

const std::shared_ptr<LeafState>& leaf_state(TensorImpl& impl) {
  if (!impl.leaf) impl.leaf = std::make_shared<LeafState>();
  return impl.leaf;
}

void check_gradient(const Tensor& gradient, const Tensor& x, const char* operation, const char* what, Caller caller) {
  if (gradient.shape() != x.shape()) {
    raise<ShapeError>(caller, "{}: a gradient of shape {} for {} of shape {}", operation, gradient.shape(), what,
                      x.shape());
  }
  if (gradient.dtype() != x.dtype()) {
    raise<DTypeError>(caller, "{}: a gradient of dtype {} for {} of {}; convert it with .to()", operation,
                      gradient.dtype(), what, x.dtype());
  }
  if (&gradient.backend() != &x.backend()) {
    raise<DeviceError>(caller, "{}: a gradient on {} for {} on {}; move it with .to()", operation, gradient.device(),
                       what, x.device());
  }
}

void check_in_place(const Tensor& x, const char* operation, Caller caller) {
  raw::check_defined(operation, x, caller);
  if (x.requires_grad() && grad_enabled()) {
    raise<AutogradError>(caller, "{}: changes a tensor whose gradient is recorded; do it under NoGrad", operation);
  }
  raw::check_writable(x, operation, caller);
}

void check_read_in_place(const Tensor& x, const char* operation, Caller caller) {
  if (x.requires_grad() && grad_enabled()) {
    raise<AutogradError>(caller,
                         "{}: reads a tensor whose gradient is recorded and would be lost; stack() or concat() parts, "
                         "or give its detach()",
                         operation);
  }
}

}  // namespace autograd

Tensor& Tensor::set_requires_grad(bool requires_grad, Caller caller) {
  TensorImpl& impl = detail::checked(impl_);
  if (requires_grad && !is_floating(dtype())) {
    raise<AutogradError>(caller, "set_requires_grad: a {} tensor has no gradient", dtype());
  }
  if (!requires_grad && impl.grad_fn) {
    raise<AutogradError>(caller, "set_requires_grad: {} made this tensor; use detach()", impl.grad_fn->name());
  }
  if (impl.requires_grad != requires_grad) autograd::mark_changed(impl, 0);
  impl.requires_grad = requires_grad;
  return *this;
}

Tensor Tensor::grad() const {
  TensorImpl& impl = detail::checked(impl_);
  if (is_recording()) autograd::GradientLog::read(autograd::leaf_state(impl));
  return impl.leaf ? impl.leaf->grad : Tensor();
}

void Tensor::set_grad(Tensor grad, Caller caller) {
  if (grad.defined()) autograd::check_gradient(grad, *this, "set_grad", "a tensor", caller);
  const auto& leaf = autograd::leaf_state(detail::checked(impl_));
  autograd::GradientLog::changed(leaf);
  leaf->grad = std::move(grad);
}

const RowSparse* Tensor::sparse_grad() const {
  const TensorImpl& impl = detail::checked(impl_);
  return impl.leaf && impl.leaf->sparse_grad ? &*impl.leaf->sparse_grad : nullptr;
}

void Tensor::set_sparse_grad(std::optional<RowSparse> grad) {
  autograd::leaf_state(detail::checked(impl_))->sparse_grad = std::move(grad);
}

void Tensor::zero_grad() {
  TensorImpl& impl = detail::checked(impl_);
  if (!impl.leaf && !is_recording()) return;
  autograd::GradientLog::changed(autograd::leaf_state(impl));
  impl.leaf->grad = {};
  if (!impl.leaf->sparse_grad) return;
  // The rows come from the host in every run of a captured step, and are to go in every one.
  each_run([leaf = impl.leaf] { leaf->sparse_grad.reset(); });
}

Tensor Tensor::detach() const { return raw::window(*this, shape(), strides(), view().offset); }

int64_t Tensor::register_hook(std::function<Tensor(const Tensor&)> hook, Caller caller) const {
  TensorImpl& impl = detail::checked(impl_);
  if (!impl.requires_grad) raise<AutogradError>(caller, "register_hook: the tensor does not require a gradient");
  static std::atomic<int64_t> next_key{1};
  const int64_t key = next_key.fetch_add(1);
  auto& hooks = impl.grad_fn ? impl.grad_fn->hooks : autograd::leaf_state(impl)->hooks;
  hooks.push_back({key, impl.output_index, std::move(hook)});
  if (!impl.grad_fn) autograd::mark_changed(impl, static_cast<uint64_t>(key));
  return key;
}

void Tensor::remove_hook(int64_t key) const {
  TensorImpl& impl = detail::checked(impl_);
  const auto has_key = [key](const autograd::Hook& hook) { return hook.key == key; };
  if (impl.grad_fn) std::erase_if(impl.grad_fn->hooks, has_key);
  if (impl.leaf && std::erase_if(impl.leaf->hooks, has_key) > 0) {
    autograd::mark_changed(impl, static_cast<uint64_t>(key));
  }
}

void Tensor::backward(Caller caller) const { autograd::backward({*this}, {}, {}, caller); }
void Tensor::backward(const Tensor& gradient, Caller caller) const {
  autograd::backward({*this}, {gradient}, {}, caller);
}

void Saved::changed() { autograd::raise_changed_in_place(); }

}  // namespace fovea
