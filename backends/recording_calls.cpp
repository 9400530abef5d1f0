
#include "fovea/backends/recording_kernels.h"

// Each kernel runs on the device and is noted with copies of its views, from which its call is made again.
namespace fovea {

void RecordingKernels::matmul(const MatmulCall& c) {
  device_->matmul(c);
  note("matmul", {static_cast<double>(c.bf16_operands)},
       [a = reads(c.a), b = reads(c.b), out = writes(c.out), bias = reads(c.bias),
        bf16_operands = c.bf16_operands](Backend& on) {
         on.matmul({*a, *b, *out, bias, bf16_operands});
       });
}

void RecordingKernels::softmax(const SoftmaxCall& c) {
  device_->softmax(c);
  note("softmax", {static_cast<double>(c.log)}, [x = reads(c.x), out = writes(c.out), log = c.log](Backend& on) {
    on.softmax({*x, *out, log});
  });
}

void RecordingKernels::softmax_backward(const SoftmaxBackwardCall& c) {
  device_->softmax_backward(c);
  note("softmax_backward", {static_cast<double>(c.log)},
       [y = reads(c.y), dy = reads(c.dy), dx = writes(c.dx), log = c.log](Backend& on) {
         on.softmax_backward({*y, *dy, *dx, log});
       });
}

void RecordingKernels::layer_norm(const LayerNormCall& c) {
  device_->layer_norm(c);
  note("layer_norm", {c.eps, static_cast<double>(c.rms)},
       [x = reads(c.x), weight = reads(c.weight), bias = reads(c.bias), y = writes(c.y), mean = writes(c.mean),
        rstd = writes(c.rstd), eps = c.eps, rms = c.rms](Backend& on) {
         on.layer_norm({*x, weight, bias, *y, mean, *rstd, eps, rms});
       });
}

void RecordingKernels::layer_norm_backward(const LayerNormBackwardCall& c) {
  device_->layer_norm_backward(c);
  note("layer_norm_backward", {static_cast<double>(c.rms)},
       [x = reads(c.x), weight = reads(c.weight), mean = reads(c.mean), rstd = reads(c.rstd), dy = reads(c.dy),
        dx = writes(c.dx), dweight = writes(c.dweight), dbias = writes(c.dbias), rms = c.rms](Backend& on) {
         on.layer_norm_backward({*x, weight, mean, *rstd, *dy, dx, dweight, dbias, rms});
       });
}

void RecordingKernels::cross_entropy(const CrossEntropyCall& c) {
  device_->cross_entropy(c);
  note("cross_entropy", {c.label_smoothing, static_cast<double>(c.ignore_index)},
       [logits = reads(c.logits), targets = reads(c.targets), weight = reads(c.class_weight), loss = writes(c.loss),
        smoothing = c.label_smoothing, ignore = c.ignore_index](Backend& on) {
         on.cross_entropy({*logits, *targets, weight, *loss, smoothing, ignore});
       });
}

void RecordingKernels::cross_entropy_backward(const CrossEntropyBackwardCall& c) {
  device_->cross_entropy_backward(c);
  note("cross_entropy_backward", {c.label_smoothing, static_cast<double>(c.ignore_index)},
       [logits = reads(c.logits), targets = reads(c.targets), weight = reads(c.class_weight), dloss = reads(c.dloss),
        dlogits = writes(c.dlogits), smoothing = c.label_smoothing, ignore = c.ignore_index](Backend& on) {
         on.cross_entropy_backward({*logits, *targets, weight, *dloss, *dlogits, smoothing, ignore});
       });
}

void RecordingKernels::gather(const GatherCall& c) {
  device_->gather(c);
  note("gather", {static_cast<double>(c.axis), static_cast<double>(c.rows)},
       [source = reads(c.source), index = reads(c.index), out = writes(c.out), axis = c.axis, rows = c.rows,
        name = c.name](Backend& on) {
         on.gather({*source, *index, *out, axis, rows, name});
       });
}

void RecordingKernels::scatter_add(const ScatterAddCall& c) {
  device_->scatter_add(c);
  note("scatter_add", {static_cast<double>(c.axis), static_cast<double>(c.rows), static_cast<double>(c.skip), c.scale},
       [source = reads(c.source), index = reads(c.index), out = updates(c.out), axis = c.axis, rows = c.rows,
        skip = c.skip, scale = c.scale, name = c.name](Backend& on) {
         on.scatter_add({*source, *index, *out, axis, rows, skip, scale, name});
       });
}

void RecordingKernels::bag(const BagCall& c) {
  device_->bag(c);
  note("bag", {static_cast<double>(c.mean)},
       [table = reads(c.table), index = reads(c.index), offsets = reads(c.offsets), out = writes(c.out), mean = c.mean,
        name = c.name](Backend& on) {
         on.bag({*table, *index, *offsets, *out, mean, name});
       });
}

// How many rows it gives depends on the values of its index, so that they are allocated anew in each run.
void RecordingKernels::rows(const BagBackwardCall& c, std::function<void(RowSparse)> deliver) {
  deliver(device_->bag_backward(c));
  note("bag_backward", {static_cast<double>(c.mean), static_cast<double>(c.skip)},
       [index = reads(c.index), offsets = reads(c.offsets), dout = reads(c.dout), mean = c.mean, skip = c.skip,
        deliver = std::move(deliver)](Backend& on) {
         deliver(on.bag_backward({*index, *offsets, *dout, mean, skip}));
       })
      .lasting = true;
}

void RecordingKernels::band(const BandCall& c) {
  device_->band(c);
  note("band", {},
       [x = reads(c.x), places = reads(c.places), weights = reads(c.weights), out = writes(c.out)](Backend& on) {
         on.band({*x, *places, *weights, *out});
       });
}

void RecordingKernels::scan(const ScanCall& c) {
  device_->scan(c);
  note("scan", {static_cast<double>(c.reverse), static_cast<double>(c.exclusive)},
       [x = reads(c.x), out = writes(c.out), reverse = c.reverse, exclusive = c.exclusive](Backend& on) {
         on.scan({*x, *out, reverse, exclusive});
       });
}

void RecordingKernels::arg_reduce(const ArgReduceCall& c) {
  device_->arg_reduce(c);
  note("arg_reduce", {static_cast<double>(c.minimum)},
       [x = reads(c.x), out = writes(c.out), minimum = c.minimum](Backend& on) {
         on.arg_reduce({*x, *out, minimum});
       });
}

void RecordingKernels::sort(const SortCall& c) {
  device_->sort(c);
  note(
      "sort", {static_cast<double>(c.descending)},
      [x = reads(c.x), values = writes(c.values), indices = writes(c.indices), descending = c.descending](Backend& on) {
        on.sort({*x, *values, *indices, descending});
      });
}

void RecordingKernels::random(const RandomCall& c) {
  const uint64_t from = draw("random", c.seed, c.offset, c.out.numel());
  device_->random(c);
  note("random", {static_cast<double>(c.kind), static_cast<double>(from)},
       [out = writes(c.out), kind = c.kind, from, start = random_](Backend& on) {
         on.random({*out, kind, start->seed, start->offset + from});
       })
      .varies = true;
}

RecurrentCall RecordingKernels::recurrent_views(const RecurrentCall& c, bool forward) {
  const auto made = [&](const View& view) { return forward ? writes(view) : reads(view); };
  const auto made_or_null = [&](const View* view) { return view ? made(*view) : nullptr; };
  return {c.kind,
          *reads(c.projected),
          *reads(c.weight_hh),
          reads(c.bias_hh),
          reads(c.lengths),
          reads(c.h0),
          reads(c.c0),
          c.reverse,
          *made(c.output),
          *made(c.h_last),
          made_or_null(c.c_last),
          made_or_null(c.reserve),
          c.bf16_operands};
}

void RecordingKernels::recurrent(const RecurrentCalls& calls) {
  device_->recurrent(calls);
  std::vector<RecurrentCall> again;
  double reversed = 0;  // a bit for each direction
  for (const RecurrentCall& c : calls) {
    again.push_back(recurrent_views(c, true));
    reversed = 2 * reversed + c.reverse;
  }
  const RecurrentCall& first = calls.front();
  note("recurrent",
       {static_cast<double>(first.kind), static_cast<double>(calls.size()), reversed,
        static_cast<double>(first.bf16_operands)},
       [again = std::move(again)](Backend& on) { on.recurrent(again); });
}

void RecordingKernels::recurrent_backward(const RecurrentBackwardCalls& calls) {
  device_->recurrent_backward(calls);
  struct Again {
    std::vector<RecurrentCall> forward;  // what the others refer to
    std::vector<RecurrentBackwardCall> backward;
  };
  const auto again = std::make_shared<Again>();
  again->forward.reserve(calls.size());
  double reversed = 0;
  for (const RecurrentBackwardCall& c : calls) {
    again->forward.push_back(recurrent_views(c.forward, false));
    again->backward.push_back({again->forward.back(), *reads(c.doutput), reads(c.dh_last), reads(c.dc_last),
                               *writes(c.dprojected), *writes(c.dweight_hh), writes(c.dbias_hh), writes(c.dh0),
                               writes(c.dc0)});
    reversed = 2 * reversed + c.forward.reverse;
  }
  const RecurrentCall& first = calls.front().forward;
  note("recurrent_backward",
       {static_cast<double>(first.kind), static_cast<double>(calls.size()), reversed,
        static_cast<double>(first.bf16_operands)},
       [again](Backend& on) { on.recurrent_backward(again->backward); });
}

void RecordingKernels::convolution(const ConvolutionCall& c) {
  device_->convolution(c);
  using Product = ConvolutionCall::Product;
  const auto role = [&](Product product, const View& view) {
    return product == c.product ? writes(view) : reads(view);
  };
  sign(c.steps);
  note("convolution",
       {static_cast<double>(c.product), static_cast<double>(c.groups), static_cast<double>(c.bf16_operands)},
       [product = c.product, x = role(Product::x, c.x), weight = role(Product::weight, c.weight),
        y = role(Product::y, c.y), bias = reads(c.bias), steps = c.steps, groups = c.groups,
        bf16_operands = c.bf16_operands](Backend& on) {
         on.convolution({product, *x, *weight, *y, bias, steps, groups, bf16_operands});
       });
}

void RecordingKernels::pool(const PoolCall& c) {
  device_->pool(c);
  sign(c.steps);
  note("pool", {static_cast<double>(c.kernel[0]), static_cast<double>(c.kernel[1])},
       [x = reads(c.x), out = writes(c.out), index = writes(c.index), height = c.kernel[0], width = c.kernel[1],
        steps = c.steps](Backend& on) {
         on.pool({*x, *out, index, {height, width}, steps});
       });
}

void RecordingKernels::pool_backward(const PoolBackwardCall& c) {
  device_->pool_backward(c);
  sign(c.steps);
  note("pool_backward", {static_cast<double>(c.kernel[0]), static_cast<double>(c.kernel[1])},
       [dout = reads(c.dout), index = reads(c.index), dx = writes(c.dx), height = c.kernel[0], width = c.kernel[1],
        steps = c.steps](Backend& on) {
         on.pool_backward({*dout, index, *dx, {height, width}, steps});
       });
}

struct RecordingKernels::Attention {
  const View *q, *k, *v, *out, *lse, *bias, *keep;
  double scale;
  bool causal;
  int64_t offset, window;
  double dropout;
  std::shared_ptr<RandomStart> start;
  uint64_t from;
  bool bf16_operands;

  AttentionCall call() const {
    return {*q,           *k,     *v,     *out,   *lse,    bias,        keep,
            scale,        causal, offset, window, dropout, start->seed, start->offset + from,
            bf16_operands};
  }
};

RecordingKernels::Attention RecordingKernels::attention_views(const AttentionCall& c, bool forward) {
  const auto made = [&](const View& view) { return forward ? writes(view) : reads(view); };
  const int64_t numbers = c.q.shape[0] * c.q.shape[1] * c.q.shape[2] * c.k.shape[2];
  const uint64_t from = c.dropout > 0 ? draw("attention", c.seed, c.counter, numbers) : 0;
  sign({c.scale, static_cast<double>(c.causal), static_cast<double>(c.offset), static_cast<double>(c.window), c.dropout,
        static_cast<double>(from), static_cast<double>(c.bf16_operands)});
  return {reads(c.q), reads(c.k), reads(c.v), made(c.out), made(c.lse), reads(c.bias), reads(c.keep),  c.scale,
          c.causal,   c.offset,   c.window,   c.dropout,   random_,     from,          c.bf16_operands};
}

void RecordingKernels::attention(const AttentionCall& c) {
  Attention views = attention_views(c, true);
  device_->attention(c);
  note("attention", {}, [views](Backend& on) { on.attention(views.call()); }).varies = c.dropout > 0;
}

void RecordingKernels::attention_backward(const AttentionBackwardCall& c) {
  Attention views = attention_views(c.forward, false);
  device_->attention_backward(c);
  note("attention_backward", {},
       [views, dout = reads(c.dout), dq = writes(c.dq), dk = writes(c.dk), dv = writes(c.dv),
        dbias = writes(c.dbias)](Backend& on) {
         on.attention_backward({views.call(), *dout, *dq, *dk, *dv, dbias});
       })
      .varies = c.forward.dropout > 0;
}

}  // namespace fovea
