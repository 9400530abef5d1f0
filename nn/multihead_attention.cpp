#include "fovea/nn/multihead_attention.h"

#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/nn/attention_trace.h"
#include "fovea/nn/init.h"
#include "fovea/nn/positions.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {

void KeyValueCache::append(const Tensor& k, const Tensor& v, Caller caller) {
  if (k.requires_grad() || v.requires_grad()) {
    raise<AutogradError>(caller, "KeyValueCache: what is cached has no gradient; decode under NoGrad");
  }
  const auto but_width = [](const Tensor& x) { return Shape{x.shape()[0], x.shape()[1], x.shape()[2]}; };
  if (k.rank() != 4 || v.rank() != 4 || but_width(k) != but_width(v)) {
    raise<ShapeError>(caller, "KeyValueCache: keys {} and values {}", k.shape(), v.shape());
  }
  const auto check = [&](const Tensor& x, const Tensor& like, const char* between) {
    if (x.dtype() != like.dtype()) {
      raise<DTypeError>(caller, "KeyValueCache: {} {} {}", x.dtype(), between, like.dtype());
    }
    if (x.device() != like.device()) {
      raise<DeviceError>(caller, "KeyValueCache: {} {} {}", x.device(), between, like.device());
    }
  };
  check(k, v, "keys and values of");
  const int64_t time = k.shape()[2];
  for (const auto& [x, held] : {std::pair(k, k_), std::pair(v, v_)}) {
    if (length_ == 0) continue;
    Shape like = held.shape();
    like[2] = time;
    if (like != x.shape()) {
      like[2] = length_;
      raise<ShapeError>(caller, "KeyValueCache: {} after {}", x.shape(), like);
    }
    check(x, held, "after");
  }
  const auto grow = [&](Tensor& held, const Tensor& x) {
    Shape shape = x.shape();
    if (length_ == 0 || held.shape()[2] < length_ + time) {
      shape[2] = std::max<int64_t>(2 * length_, std::max<int64_t>(length_ + time, 64));
      Tensor room = empty(shape, x.options());
      if (length_ > 0) room.slice(2, 0, length_).copy_(held.slice(2, 0, length_));
      held = room;
    }
    held.slice(2, length_, length_ + time).copy_(x);
  };
  const NoGrad off;
  grow(k_, k);
  grow(v_, v);
  length_ += time;
}

void KeyValueCache::reorder(const Tensor& rows, Caller caller) {
  if (length_ == 0) return;
  const Tensor k = index_select(k_, 0, rows, caller);
  v_ = index_select(v_, 0, rows, caller);
  k_ = k;
}

MultiheadAttention::MultiheadAttention(int64_t dim, int64_t heads, MultiheadAttentionOptions options, Caller caller)
    : dim_(dim), heads_(heads), options_(options) {
  if (dim < 1 || dim > INT32_MAX || heads < 1 || dim % heads != 0) {
    raise<ValueError>(caller, "MultiheadAttention: a width of {} does not divide into {} heads", dim, heads);
  }
  if (options_.key_heads == 0) options_.key_heads = heads;
  if (options_.key_dim == 0) options_.key_dim = dim;
  if (options_.value_dim == 0) options_.value_dim = dim;
  if (options_.key_heads < 1 || heads % options_.key_heads != 0) {
    raise<ValueError>(caller, "MultiheadAttention: {} heads do not share {} key heads evenly", heads,
                      options_.key_heads);
  }
  if (!(options_.dropout >= 0 && options_.dropout < 1)) {
    raise<ValueError>(caller, "MultiheadAttention: dropout {} is outside [0, 1)", options_.dropout);
  }
  if (options_.rotary && dim / heads % 2 != 0) {
    raise<ValueError>(caller, "MultiheadAttention: rotary positions need an even width per head, not {}", dim / heads);
  }
  if (!(options_.rotary_base > 0)) {
    raise<ValueError>(caller, "MultiheadAttention: rotary_base {} is not positive", options_.rotary_base);
  }
  const int64_t key_width = options_.key_heads * (dim / heads);
  if (options_.key_dim == dim && options_.value_dim == dim) {
    in_proj_weight = empty({dim + 2 * key_width, dim}, {}, caller);
    init::xavier_uniform_(in_proj_weight);
    add("in_proj_weight", in_proj_weight);
  } else {
    q_proj_weight = empty({dim, dim}, {}, caller);
    k_proj_weight = empty({key_width, options_.key_dim}, {}, caller);
    v_proj_weight = empty({key_width, options_.value_dim}, {}, caller);
    for (Tensor* w : {&q_proj_weight, &k_proj_weight, &v_proj_weight}) init::xavier_uniform_(*w);
    add("q_proj_weight", q_proj_weight);
    add("k_proj_weight", k_proj_weight);
    add("v_proj_weight", v_proj_weight);
  }
  if (options_.bias) {
    in_proj_bias = zeros({dim + 2 * key_width}, {}, caller);
    add("in_proj_bias", in_proj_bias);
  }
  out_proj = std::make_unique<Linear>(dim, dim, LinearOptions{.bias = options_.bias}, caller);
  if (options_.bias) init::zeros_(out_proj->bias);
  add("out_proj", *out_proj);
}

void MultiheadAttention::check(const Tensor& query, const Tensor& key, const Tensor& value, Caller caller) const {
  if (query.rank() != 3 || key.rank() != 3 || value.rank() != 3 || query.shape()[2] != dim_ ||
      key.shape()[2] != options_.key_dim || value.shape()[2] != options_.value_dim ||
      query.shape()[0] != key.shape()[0] || key.shape()[0] != value.shape()[0] || key.shape()[1] != value.shape()[1]) {
    raise<ShapeError>(caller,
                      "MultiheadAttention: query {}, key {} and value {} are not [batch, queries, {}], [batch, keys, "
                      "{}] and [batch, keys, {}]",
                      query.shape(), key.shape(), value.shape(), dim_, options_.key_dim, options_.value_dim);
  }
}

Tensor MultiheadAttention::split(const Tensor& x, int64_t heads) const {
  return x.reshape({x.shape()[0], x.shape()[1], heads, dim_ / heads_}).transpose(1, 2);
}

Tensor MultiheadAttention::project_query(const Tensor& query, Caller caller) const {
  return split(linear(query, q_proj_weight.defined() ? q_proj_weight : in_proj_weight.slice(0, 0, dim_),
                      in_proj_bias.defined() ? in_proj_bias.slice(0, 0, dim_) : in_proj_bias, caller),
               heads_);
}

MultiheadAttention::Projected MultiheadAttention::project(const Tensor& query, const Tensor& key, const Tensor& value,
                                                          Caller caller) const {
  const int64_t key_width = options_.key_heads * (dim_ / heads_);
  const auto rows = [](const Tensor& x, int64_t begin, int64_t end) {
    return x.defined() ? x.slice(0, begin, end) : x;
  };
  const auto apply = [&](const Tensor& x, const Tensor& weight, int64_t begin, int64_t end) {
    return linear(x, weight.defined() ? weight : in_proj_weight.slice(0, begin, end), rows(in_proj_bias, begin, end),
                  caller);
  };
  const int64_t values = dim_ + key_width, all = dim_ + 2 * key_width;
  const auto heads_of = [&](const Tensor& x, int64_t begin, int64_t end, int64_t heads) {
    return split(x.slice(2, begin, end), heads);
  };
  if (in_proj_weight.defined() && query.impl() == key.impl() && key.impl() == value.impl()) {
    const Tensor packed = linear(query, in_proj_weight, in_proj_bias, caller);
    return {heads_of(packed, 0, dim_, heads_), heads_of(packed, dim_, values, options_.key_heads),
            heads_of(packed, values, all, options_.key_heads)};
  }
  const Tensor q = project_query(query, caller);
  if (in_proj_weight.defined() && key.impl() == value.impl()) {
    const Tensor packed = apply(key, {}, dim_, all);
    return {q, heads_of(packed, 0, key_width, options_.key_heads),
            heads_of(packed, key_width, 2 * key_width, options_.key_heads)};
  }
  return {q, split(apply(key, k_proj_weight, dim_, values), options_.key_heads),
          split(apply(value, v_proj_weight, values, all), options_.key_heads)};
}

DotAttentionOptions MultiheadAttention::settle(const AttendOptions& options, const Tensor& query, int64_t keys,
                                               int64_t offset) const {
  DotAttentionOptions o{.causal = options.causal,
                        .offset = offset,
                        .window = options_.window,
                        .key_padding_keep = options.key_padding_keep,
                        .bias = options.bias,
                        .dropout = training() ? options_.dropout : 0};
  if (options_.alibi) {
    const Tensor slope = alibi_bias(heads_, keys, query.options());
    o.bias = o.bias.defined() ? widened(o.bias) + slope : slope;
  }
  return o;
}

void MultiheadAttention::check_masks(const AttendOptions& options, int64_t batch, int64_t queries, int64_t keys,
                                     Caller caller) const {
  const Tensor &keep = options.key_padding_keep, &bias = options.bias;
  if (keep.defined() && keep.shape() != Shape{batch, keys}) {
    raise<ShapeError>(caller, "MultiheadAttention: key_padding_keep {} is not [batch, keys] = {}", keep.shape(),
                      Shape{batch, keys});
  }
  if (keep.defined() && keep.dtype() != boolean) {
    raise<DTypeError>(caller, "MultiheadAttention: key_padding_keep must be bool, not {}", keep.dtype());
  }
  if (!bias.defined()) return;
  if (!is_floating(bias.dtype())) {
    raise<DTypeError>(caller,
                      "MultiheadAttention: bias is added to the scores and cannot be {}; of a mask of what may be "
                      "read, where(mask, 0, -inf) is one",
                      bias.dtype());
  }
  const Shape scores{batch, heads_, queries, keys};
  if (bias.rank() > 4 || broadcast_shapes(bias.shape(), scores, "MultiheadAttention", caller) != scores) {
    raise<ShapeError>(caller, "MultiheadAttention: bias {} does not broadcast to scores {}", bias.shape(), scores);
  }
}

Attended MultiheadAttention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttendOptions& options, bool weights, Caller caller) const {
  check(query, key, value, caller);
  AttentionTrace* const trace = AttentionTrace::current();
  weights = weights || trace;
  if (options_.alibi && !options.causal) {
    raise<ValueError>(caller, "MultiheadAttention: ALiBi's scores are for causal attention");
  }
  const bool self = query.impl() == key.impl() && key.impl() == value.impl();
  const bool filled = options.cache && !self && options.cache->length() > 0;
  if (filled && options.cache->length() != key.shape()[1]) {
    raise<ShapeError>(caller, "MultiheadAttention: the cache holds {} keys, not those of {}", options.cache->length(),
                      key.shape());
  }
  const int64_t offset = options.cache && self ? options.cache->length() : 0;
  // Before a cache takes anything in: who corrects a mask calls again.
  check_masks(options, query.shape()[0], query.shape()[1], offset + key.shape()[1], caller);
  // Half precision holds few scores of far keys.
  const bool wide = options_.alibi && is_half(query);
  if (self && in_proj_weight.defined() && !weights && !options.cache && !options_.rotary && !wide) {
    const Tensor packed = linear(query, in_proj_weight, in_proj_bias, caller);
    const DotAttentionOptions o = settle(options, query, query.shape()[1], 0);
    return {out_proj->forward(packed_attention(packed, heads_, options_.key_heads, o, caller), caller), {}};
  }
  Projected p = filled ? Projected{project_query(query, caller), {}, {}} : project(query, key, value, caller);
  if (options_.rotary) {
    p.q = rotary(p.q, offset, options_.rotary_base, caller);
    if (!filled) p.k = rotary(p.k, offset, options_.rotary_base, caller);
  }
  if (options.cache) {
    if (!filled) options.cache->append(p.k, p.v, caller);
    p.k = options.cache->k();
    p.v = options.cache->v();
  }
  if (wide) p = {widened(p.q), widened(p.k), widened(p.v)};
  const DotAttentionOptions o = settle(options, p.q, p.k.shape()[2], offset);
  const Attended made = weights ? attention_with_weights(p.q, p.k, p.v, o, caller)
                                : Attended{scaled_dot_product_attention(p.q, p.k, p.v, o, caller), {}};
  if (trace) trace->add(path(), made.weights);
  const Tensor joined = made.read.transpose(1, 2).reshape({query.shape()[0], query.shape()[1], dim_});
  if (!wide) return {out_proj->forward(joined, caller), made.weights};
  const DType dtype = query.dtype();
  return {out_proj->forward(joined.to(dtype), caller), weights ? made.weights.to(dtype) : Tensor()};
}

Tensor MultiheadAttention::forward(const Tensor& x, const AttendOptions& options, Caller caller) const {
  const Scope scope(*this, caller);
  return attend(x, x, x, options, false, caller).read;
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttendOptions& options, Caller caller) const {
  const Scope scope(*this, caller);
  return attend(query, key, value, options, false, caller).read;
}

Attended MultiheadAttention::forward_with_weights(const Tensor& query, const Tensor& key, const Tensor& value,
                                                  const AttendOptions& options, Caller caller) const {
  const Scope scope(*this, caller);
  return attend(query, key, value, options, true, caller);
}

std::string MultiheadAttention::description() const {
  std::string text = fmt::format("{}, {} heads", dim_, heads_);
  if (options_.key_heads != heads_) text += fmt::format(", {} key heads", options_.key_heads);
  if (options_.window > 0) text += fmt::format(", window={}", options_.window);
  if (options_.rotary) text += ", rotary";
  if (options_.alibi) text += ", alibi";
  return options_.bias ? text : text + ", bias=false";
}

}  // namespace fovea::nn
