#include "fovea/autograd/attention.h"

#include <algorithm>
#include <cmath>

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/backward.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"

namespace fovea {
namespace {

/// Options with everything settled: what both the kernel and its definition work from.
struct Plan {
  double scale = 1;
  bool causal = false;
  int64_t offset = 0;
  int64_t window = 0;
  double dropout = 0;
  Generator stream;  // where dropout's numbers begin
  Tensor keep;
  bool bf16_operands = false;
};

/// Which keys each query may read, broadcast to [batch, heads, queries, keys]; undefined where all.
Tensor allowed_keys(const Plan& plan, int64_t queries, int64_t keys, Device device) {
  static const Elementwise readable{"readable", [](Expr position, Expr key, Scalar causal, Scalar window) {
                                      return (key <= position || !causal) &&
                                             (window == 0 || abs(position - key) < window);
                                    }};
  Tensor allowed;
  if (plan.causal || plan.window > 0) {
    const auto first = static_cast<double>(plan.offset);
    const Tensor position = arange(first, first + static_cast<double>(queries), 1, {f32, device}).unsqueeze(1);
    const Tensor key = arange(0, static_cast<double>(keys), 1, {f32, device});
    allowed = readable(position, key, plan.causal ? 1.0 : 0.0, static_cast<double>(plan.window));
  }
  if (plan.keep.defined()) {
    const Tensor keep = plan.keep.unsqueeze(1).unsqueeze(1);
    allowed = allowed.defined() ? logical_and(allowed, keep) : keep;
  }
  return allowed;
}

/// The definition in ordinary operations: {read, weights}.
Attended composed(const Plan& plan, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias) {
  // Scores below `least` count as not readable: a bias of -inf, and what the mask says.
  static constexpr double least = -1e30;
  static const Elementwise hold{"mask_scores",
                                [](Expr s, Expr allowed) { return where(allowed && s > least, s, least); }};
  static const Elementwise drop{"mask_weights",
                                [](Expr w, Expr s, Expr allowed) { return where(allowed && s > least, w, 0.0); }};
  const int64_t batch = q.shape()[0], heads = q.shape()[1], queries = q.shape()[2], d = q.shape()[3];
  const int64_t key_heads = k.shape()[1], keys = k.shape()[2], shared = heads / std::max<int64_t>(key_heads, 1);
  const bool grouped = shared > 1;
  Tensor scores = grouped
                      ? matmul((q * plan.scale).reshape({batch, key_heads, shared, queries, d}), k.unsqueeze(2).mT())
                            .reshape({batch, heads, queries, keys})
                      : matmul(q * plan.scale, k.mT());
  if (bias.defined()) scores = scores + bias;
  Tensor weights;
  const Tensor allowed = allowed_keys(plan, queries, keys, q.device());
  if (allowed.defined() || bias.defined()) {
    const Operand mask = allowed.defined() ? Operand(allowed) : Operand(1.0);
    weights = drop(softmax(hold(scores, mask), -1), scores, mask);
  } else {
    weights = softmax(scores, -1);
  }
  Tensor used = weights;
  if (plan.dropout > 0) {
    static const Elementwise thin{"attention_dropout",
                                  [](Expr w, Expr u, Scalar p) { return where(u < p, 0.0, w * reciprocal(1.0 - p)); }};
    Generator stream = plan.stream;
    used = thin(weights, rand(weights.shape(), {f32, q.device()}, stream).to(weights.dtype()), plan.dropout);
  }
  const Tensor output = grouped ? matmul(used.reshape({batch, key_heads, shared, queries, keys}), v.unsqueeze(2))
                                      .reshape({batch, heads, queries, v.shape()[3]})
                                : matmul(used, v);
  return {output, weights};
}

/// Room for a [batch, heads, time, width] result in the order in which `like` stands in memory, so that heads that were
/// split off a [batch, time, heads width] tensor join again without a copy.
Tensor empty_like_heads(const Tensor& like, int64_t width) {
  const Shape& s = like.shape();
  const bool time_first = s[1] > 1 && like.strides()[2] > like.strides()[1];
  if (!time_first) return raw::empty({s[0], s[1], s[2], width}, like.options());
  const Tensor room = raw::empty({s[0], s[2], s[1], width}, like.options());
  return raw::window(room, {s[0], s[1], s[2], width}, {s[1] * s[2] * width, width, s[1] * width, 1}, 0);
}

/// Kernels want dense rows [.., time, width] that do not overlap, as OpenBLAS does.
Tensor dense_rows(const Tensor& x) {
  const Shape& shape = x.shape();
  const bool dense = shape[3] == 1 || x.strides()[3] == 1;
  return dense && (shape[2] == 1 || x.strides()[2] >= shape[3]) ? x : raw::contiguous(x);
}

/// A forward call of the kernel, with all its tensors.
struct Fused {
  Plan plan;
  Tensor q, k, v, bias, wide_bias, out, lse;

  AttentionCall call() const {
    return {q.view(),
            k.view(),
            v.view(),
            out.view(),
            lse.view(),
            raw::view_or_null(wide_bias),
            raw::view_or_null(plan.keep),
            plan.scale,
            plan.causal,
            plan.offset,
            plan.window,
            plan.dropout,
            plan.stream.seed,
            plan.stream.offset,
            plan.bf16_operands};
  }
};

/// Runs the kernel; q, k, v [batch, heads, time, width] and bias as given, broadcastable.
Fused run(const Plan& plan, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias) {
  Fused f{plan, dense_rows(q), dense_rows(k), dense_rows(v), {}, {}, {}, {}};
  f.plan.bf16_operands = autograd::rounds_operands(q);
  const Shape& s = q.shape();
  if (bias.defined()) {
    f.bias = bias.detach();
    f.wide_bias = raw::expand(bias, {s[0], s[1], s[2], k.shape()[2]});
  }
  f.out = empty_like_heads(q, v.shape()[3]);
  f.lse = raw::empty({s[0], s[1], s[2]}, q.options());
  q.backend().attention(f.call());
  return f;
}

/// Writes the gradients into dq, dk, dv; returns that of the bias where wanted.
Tensor run_backward(const Fused& f, const Tensor& g, const Tensor& dq, const Tensor& dk, const Tensor& dv,
                    bool wants_bias) {
  Tensor dbias;
  if (wants_bias) {
    Shape shape = f.bias.shape();
    while (shape.rank() < 4) shape.insert(0, 1);
    dbias = raw::empty(shape, f.bias.options());
  }
  const Tensor dout = dense_rows(g);
  f.q.backend().attention_backward({f.call(), dout.view(), dq.view(), dk.view(), dv.view(), raw::view_or_null(dbias)});
  return wants_bias ? raw::try_reshape(dbias, f.bias.shape()) : dbias;
}

bool recorded(std::initializer_list<const Tensor*> inputs) {
  bool any = false;
  for (const Tensor* x : inputs) any = any || x->requires_grad();
  return any && grad_enabled();
}

Tensor fused_attention(const Plan& plan, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias,
                       Caller caller) {
  const Fused fused = run(plan, q, k, v, bias);
  if (!recorded({&q, &k, &v, &bias})) return fused.out;
  return record(
      "scaled_dot_product_attention", fused.out.detach(), {q, k, v, bias},
      [fused, q = Saved(q), k = Saved(k), v = Saved(v), bias = Saved(bias), out = Saved(fused.out)](const Tensor& g,
                                                                                                    Needs needs) {
        for (const Saved* saved : {&bias, &out}) static_cast<void>(**saved);  // throws if changed in place
        if (grad_enabled()) {
          return autograd::differentiate(
              [plan = fused.plan](const std::vector<Tensor>& in) {
                return std::vector<Tensor>{composed(plan, in[0], in[1], in[2], in[3]).read};
              },
              std::array{*q, *k, *v, *bias}, {&g, 1}, needs);
        }
        Gradients made{empty_like_heads(*q, q->shape()[3]),
                       empty_like_heads(*k, k->shape()[3]),
                       empty_like_heads(*v, v->shape()[3]),
                       {}};
        made[3] = run_backward(fused, g, made[0], made[1], made[2], needs[3]);
        return made;
      },
      caller);
}

void check(const char* name, const Tensor& q, const Tensor& k, const Tensor& v, const DotAttentionOptions& o,
           Caller caller) {
  const Shape &a = q.shape(), &b = k.shape(), &c = v.shape();
  if (a[0] != b[0] || a[0] != c[0] || b[1] != c[1] || b[2] != c[2] || a[3] != b[3] ||
      (b[1] == 0 ? a[1] != 0 : a[1] % b[1] != 0)) {
    raise<ShapeError>(caller, "{}: queries {}, keys {} and values {} do not fit each other", name, a, b, c);
  }
  raw::check_alike(name, {&q, &k, &v, &o.bias}, caller);
  raw::check_floating(name, q, caller);
  if (o.key_padding_keep.defined()) {
    const Tensor& keep = o.key_padding_keep;
    if (keep.shape() != Shape{b[0], b[2]}) {
      raise<ShapeError>(caller, "{}: key_padding_keep {} is not [batch, keys] = {}", name, keep.shape(),
                        Shape{b[0], b[2]});
    }
    if (keep.dtype() != boolean) {
      raise<DTypeError>(caller, "{}: key_padding_keep must be bool, not {}", name, keep.dtype());
    }
    if (&keep.backend() != &q.backend()) {
      raise<DeviceError>(caller, "{}: tensors are on {} and {}; move one with .to()", name, q.device(), keep.device());
    }
  }
  if (o.bias.defined()) {
    const Shape scores{a[0], a[1], a[2], b[2]};
    if (o.bias.rank() > 4 || broadcast_shapes(o.bias.shape(), scores, name, caller) != scores) {
      raise<ShapeError>(caller, "{}: bias {} does not broadcast to scores {}", name, o.bias.shape(), scores);
    }
  }
  if (o.dropout < 0 || o.dropout >= 1) {
    raise<ValueError>(caller, "{}: dropout {} is outside [0, 1)", name, o.dropout);
  }
  if (o.window < 0) raise<ValueError>(caller, "{}: window {} is negative", name, o.window);
}

Plan settle(const DotAttentionOptions& o, const Tensor& q, int64_t keys) {
  Plan plan{o.scale.value_or(1 / std::sqrt(static_cast<double>(std::max<int64_t>(q.shape()[3], 1)))),
            o.causal,
            o.offset,
            o.window,
            o.dropout,
            default_generator(),
            {}};
  if (o.dropout > 0) {
    default_generator().advance(q.shape()[0] * q.shape()[1] * q.shape()[2] * keys);
  }
  if (o.key_padding_keep.defined()) plan.keep = raw::contiguous(o.key_padding_keep.detach());
  return plan;
}

/// [batch, heads, time, width], whatever axes are absent.
Tensor with_heads(const char* name, const Tensor& x, Caller caller) {
  raw::check_defined(name, x, caller);
  switch (x.rank()) {
    case 4:
      return x;
    case 3:
      return x.unsqueeze(1);
    case 2:
      return x.unsqueeze(0).unsqueeze(0);
    default:
      raise<ShapeError>(caller, "{}: {} is not [batch, heads, time, width]", name, x.shape());
  }
}

Tensor without_heads(const Tensor& x, int rank) {
  if (rank == 4) return x;
  return rank == 3 ? x.squeeze(1) : x.squeeze(0).squeeze(0);
}

bool is_empty(const Tensor& q, const Tensor& k) { return q.numel() == 0 || k.numel() == 0; }

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& given_q, const Tensor& given_k, const Tensor& given_v,
                                    const DotAttentionOptions& options, Caller caller) {
  const ErrorScope scope(caller);
  constexpr const char* name = "scaled_dot_product_attention";
  Tensor q = with_heads(name, given_q, caller), k = with_heads(name, given_k, caller);
  Tensor v = with_heads(name, given_v, caller);
  const int rank = given_q.rank();
  check(name, q, k, v, options, caller);
  const Plan plan = settle(options, q, k.shape()[2]);
  const DType dtype = q.dtype();
  const Tensor bias = widened(options.bias);
  q = widened(q), k = widened(k), v = widened(v);
  const bool kernel = !is_empty(q, k) && v.numel() > 0;
  const Tensor out = kernel ? fused_attention(plan, q, k, v, bias, caller) : composed(plan, q, k, v, bias).read;
  return without_heads(out.to(dtype), rank);
}

Attended attention_with_weights(const Tensor& given_q, const Tensor& given_k, const Tensor& given_v,
                                const DotAttentionOptions& options, Caller caller) {
  const ErrorScope scope(caller);
  constexpr const char* name = "attention_with_weights";
  const Tensor q = with_heads(name, given_q, caller), k = with_heads(name, given_k, caller);
  const Tensor v = with_heads(name, given_v, caller);
  const int rank = given_q.rank();
  check(name, q, k, v, options, caller);
  const DType dtype = q.dtype();
  const Attended made =
      composed(settle(options, q, k.shape()[2]), widened(q), widened(k), widened(v), widened(options.bias));
  return {without_heads(made.read.to(dtype), rank), without_heads(made.weights.to(dtype), rank)};
}

Tensor packed_attention(const Tensor& packed, int64_t heads, int64_t key_heads, const DotAttentionOptions& options,
                        Caller caller) {
  const ErrorScope scope(caller);
  constexpr const char* name = "packed_attention";
  const bool counted = std::min(heads, key_heads) >= 1 && std::max(heads, key_heads) <= INT32_MAX;
  const int64_t parts = counted ? heads + 2 * key_heads : 1;
  raw::check_defined(name, packed, caller);
  if (packed.rank() != 3 || !counted || packed.shape()[2] % parts != 0) {
    raise<ShapeError>(caller, "{}: {} is not [batch, time, {} + 2 * {} heads of one width]", name, packed.shape(),
                      heads, key_heads);
  }
  const int64_t batch = packed.shape()[0], time = packed.shape()[1], d = packed.shape()[2] / parts;
  const auto split = [=](const Tensor& x) {  // views on the heads of queries, keys and values
    const Tensor all = x.reshape({batch, time, parts, d}).transpose(1, 2);
    return std::array{all.slice(1, 0, heads), all.slice(1, heads, heads + key_heads),
                      all.slice(1, heads + key_heads, parts)};
  };
  const auto join = [=](const Tensor& x) { return x.transpose(1, 2).reshape({batch, time, heads * d}); };
  const bool kernel = packed.numel() > 0 && !is_half(packed);
  if (!kernel) {
    const auto [q, k, v] = split(packed);
    return join(scaled_dot_product_attention(q, k, v, options, caller));
  }
  const Tensor x = raw::contiguous(packed.detach());
  const auto [q, k, v] = split(x);
  check(name, q, k, v, options, caller);
  const Plan plan = settle(options, q, time);
  const Fused fused = run(plan, q, k, v, options.bias);
  if (!recorded({&packed, &options.bias})) return join(fused.out);
  return record(
      name, join(fused.out), {packed, options.bias},
      [fused, split, join, packed = Saved(packed), bias = Saved(options.bias), heads, d, out = Saved(fused.out)](
          const Tensor& g, Needs needs) {
        for (const Saved* saved : {&bias, &out}) static_cast<void>(**saved);
        if (grad_enabled()) {
          return autograd::differentiate(
              [plan = fused.plan, split, join](const std::vector<Tensor>& in) {
                const auto [q, k, v] = split(in[0]);
                return std::vector<Tensor>{join(composed(plan, q, k, v, in[1]).read)};
              },
              std::array{*packed, *bias}, {&g, 1}, needs);
        }
        const Tensor dpacked = raw::empty(packed->shape(), packed->options());
        const auto [dq, dk, dv] = split(dpacked);
        const Tensor dout = g.reshape({g.shape()[0], g.shape()[1], heads, d}).transpose(1, 2);
        Gradients made{dpacked, {}};
        made[1] = run_backward(fused, dout, dq, dk, dv, needs[1]);
        return made;
      },
      caller);
}

}  // namespace fovea
