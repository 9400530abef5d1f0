// Rows of the table of operations: those over classes, windows, batches and sequences.
#include "autograd/operations.h"
#include "fovea/autograd/attention.h"
#include "fovea/autograd/batch_norm.h"
#include "fovea/autograd/convolution.h"
#include "fovea/autograd/ctc.h"
#include "fovea/autograd/interpolation.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/pooling.h"
#include "fovea/autograd/recurrent.h"

namespace fovea::test {
namespace {

Checks convolutions_1d() {
  return list({one({any_number({2, 2, 5}), any_number({2, 2, 2}), any_number({2})},
                   [](auto& x) { return conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 1}); }),
               one({any_number({2, 4}), any_number({2, 1, 2})},
                   [](auto& x) { return conv1d(x[0], x[1], {}, {.dilation = 2, .groups = 2}); })});
}

Checks convolutions_2d() {
  return list({one({any_number({2, 2, 3, 4}), any_number({2, 2, 2, 2}), any_number({2})},
                   [](auto& x) {
                     return conv2d(x[0], x[1], x[2], {.stride = {1, 2}, .padding = 1});
                   }),
               one({any_number({1, 2, 4, 3}), any_number({2, 1, 2, 2})}, [](auto& x) {
                 return conv2d(x[0], x[1], {}, {.dilation = {2, 1}, .groups = 2});
               })});
}

Checks convolutions_3d() {
  return list({one({any_number({1, 2, 3, 2, 2}), any_number({2, 2, 2, 2, 1}), any_number({2})},
                   [](auto& x) {
                     return conv3d(x[0], x[1], x[2], {.stride = {1, 2, 1}, .padding = {1, 0, 0}});
                   }),
               one({any_number({2, 3, 2, 2}), any_number({2, 1, 2, 1, 2})}, [](auto& x) {
                 return conv3d(x[0], x[1], {}, {.dilation = {2, 1, 1}, .groups = 2});
               })});
}

Checks attentions(
    const std::function<Outputs(const Tensor&, const Tensor&, const Tensor&, const DotAttentionOptions&)>& f) {
  const Inputs inputs{any_number({1, 2, 2, 2}), any_number({1, 1, 3, 2}), any_number({1, 1, 3, 1}),
                      any_number({2, 1, 3})};
  return list(
      {{inputs, [=](const Inputs& x) { return f(x[0], x[1], x[2], {.bias = x[3]}); }},
       {inputs, [=](const Inputs& x) { return f(x[0], x[1], x[2], {.scale = 0.5, .causal = true, .offset = 1}); }}});
}

Checks ctc(const std::vector<int32_t>& targets, const Shape& shape, const std::vector<int32_t>& inputs,
           const std::vector<int32_t>& lengths) {
  Checks checks;
  const auto batch = static_cast<int64_t>(lengths.size());
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
    checks.push_back(one({any_number({4, batch, 3})}, [=](const Inputs& x) {
      return ctc_loss(log_softmax(x[0], -1), integers(targets, shape), integers(inputs, {batch}),
                      integers(lengths, {batch}), {.reduction = reduction, .zero_infinity = true});
    }));
  }
  return checks;
}

using Classify = Tensor (*)(const Tensor&, const Tensor&, const CrossEntropyOptions&, Caller);

Checks classification(Classify f) {
  Checks checks;
  const Tensor targets = integers({2, 0, -100, 1}, {4});
  for (const double smoothing : {0.0, 0.2}) {
    for (const bool weighted : {false, true}) {
      for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
        const Tensor weight = weighted ? positive({3}) : Tensor();
        checks.push_back(one({any_number({4, 3})}, [=](const Inputs& x) {
          CrossEntropyOptions options{.label_smoothing = smoothing, .reduction = reduction};
          if (weighted) options.weight = beside(weight, x[0]);
          return f(log_softmax(x[0], -1), beside(targets, x[0]), options, {});
        }));
      }
    }
  }
  checks.push_back(
      one({any_number({3})}, [=](const Inputs& x) { return f(x[0], beside(integers({1}, {}), x[0]), {}, {}); }));
  checks.push_back(one({any_number({2, 2, 3})}, [=](const Inputs& x) {
    return f(x[0], beside(integers({0, 1, 2, 2}, {2, 2}), x[0]), {}, {});
  }));
  return checks;
}

Checks recurrence() {
  Checks checks;
  for (const RecurrentKind kind :
       {RecurrentKind::rnn_tanh, RecurrentKind::rnn_relu, RecurrentKind::gru, RecurrentKind::lstm}) {
    for (const bool reverse : {false, true}) {
      for (const bool lengths : {false, true}) {
        const int64_t hidden = 2, width = gates(kind) * hidden;
        const bool lstm = kind == RecurrentKind::lstm;
        Inputs inputs{any_number({2, 3, width}), any_number({width, hidden}), any_number({width}),
                      any_number({2, hidden})};
        if (lstm) inputs.push_back(any_number({2, hidden}));
        checks.push_back({inputs, [=](const Inputs& x) {
                            RecurrentOptions options{.kind = kind, .reverse = reverse, .h0 = x[3]};
                            if (lstm) options.c0 = x[4];
                            if (lengths) options.lengths = beside(integers({3, 1}, {2}), x[0]);
                            const RecurrentResult r = recurrent(x[0], x[1], x[2], options);
                            return lstm ? Outputs{r.output, r.h, r.c} : Outputs{r.output, r.h};
                          }});
      }
    }
  }
  // Both directions at once, and what only one of them gives.
  for (const bool both : {true, false}) {
    checks.push_back(
        {{any_number({2, 3, 6}), any_number({6, 2}), any_number({6}), any_number({2, 3, 6}), any_number({6, 2})},
         [=](const Inputs& x) {
           const std::vector<RecurrentResult> r =
               recurrent({{x[0], x[1], x[2], {}}, {x[3], x[4], {}, {.reverse = true}}});
           return both ? Outputs{r[0].output, r[1].output, r[1].h} : Outputs{r[1].output};
         }});
  }
  return checks;
}

Checks recurrent_steps() {
  Checks checks;
  for (const RecurrentKind kind :
       {RecurrentKind::rnn_tanh, RecurrentKind::rnn_relu, RecurrentKind::gru, RecurrentKind::lstm}) {
    const int64_t hidden = 3, width = gates(kind) * hidden;
    const bool lstm = kind == RecurrentKind::lstm;
    Inputs inputs{any_number({2, width}), any_number({2, width}), any_number({2, hidden})};
    if (lstm) inputs.push_back(any_number({2, hidden}));
    checks.push_back({inputs, [=](const Inputs& x) {
                        const RecurrentState after = recurrent_step(kind, x[0], x[1], {x[2], lstm ? x[3] : Tensor()});
                        return lstm ? Outputs{after.h, after.c} : Outputs{after.h};
                      }});
  }
  return checks;
}

}  // namespace

Table structured_operations() {
  return {
      {"cross_entropy", classification(cross_entropy)},
      {"nll_loss", classification(nll_loss)},
      {"recurrent", recurrence()},
      {"recurrent_step", recurrent_steps()},
      {"conv1d", convolutions_1d()},
      {"conv2d", convolutions_2d()},
      {"conv3d", convolutions_3d()},
      {"conv_transpose3d",
       list({one({any_number({1, 2, 2, 2, 1}), any_number({2, 1, 2, 1, 2}), any_number({1})},
                 [](auto& x) {
                   return conv_transpose3d(x[0], x[1], x[2], {.stride = {1, 2, 1}, .padding = {1, 0, 0}});
                 })})},
      {"conv_transpose2d", list({one({any_number({1, 2, 2, 2}), any_number({2, 1, 2, 2}), any_number({1})},
                                     [](auto& x) { return conv_transpose2d(x[0], x[1], x[2], {.stride = 2}); })})},
      {"conv_transpose1d", list({one({any_number({1, 2, 3}), any_number({2, 1, 2}), any_number({1})},
                                     [](auto& x) { return conv_transpose1d(x[0], x[1], x[2], {.stride = 2}); })})},
      {"max_pool1d", list({one({any_number({1, 2, 5})}, [](auto& x) { return square(max_pool1d(x[0], 2)); })})},
      {"max_pool2d", list({one({any_number({1, 2, 4, 3})},
                               [](auto& x) {
                                 return square(max_pool2d(x[0], {2, 3}, {.stride = 1, .padding = {1, 0}}));
                               })})},
      {"avg_pool1d", list({one({any_number({1, 2, 5})}, [](auto& x) { return square(avg_pool1d(x[0], 2)); })})},
      {"avg_pool2d", list({one({any_number({1, 2, 4, 3})},
                               [](auto& x) {
                                 return square(avg_pool2d(x[0], {2, 3}, {.stride = 1, .padding = {1, 0}}));
                               })})},
      {"max_pool3d", list({one({any_number({1, 2, 3, 2, 3})},
                               [](auto& x) {
                                 return square(max_pool3d(x[0], {2, 2, 3}, {.stride = 1, .padding = {1, 0, 1}}));
                               })})},
      {"avg_pool3d", list({one({any_number({2, 3, 2, 3})},
                               [](auto& x) {
                                 return square(avg_pool3d(x[0], 2, {.stride = {1, 2, 1}, .padding = 1}));
                               })})},
      {"adaptive_avg_pool1d",
       list({one({any_number({1, 2, 5})}, [](auto& x) { return square(adaptive_avg_pool1d(x[0], 2)); })})},
      {"adaptive_avg_pool3d", list({one({any_number({1, 2, 3, 2, 3})},
                                        [](auto& x) {
                                          return square(adaptive_avg_pool3d(x[0], {2, 1, 2}));
                                        })})},
      {"adaptive_avg_pool2d", list({one({any_number({1, 2, 3, 4})},
                                        [](auto& x) {
                                          return square(adaptive_avg_pool2d(x[0], {2, 3}));
                                        })})},
      {"upsample_nearest", list({one({any_number({1, 2, 2, 1})},
                                     [](auto& x) {
                                       return square(upsample_nearest(x[0], {1, 2}));
                                     })})},
      {"interpolate",
       [] {
         Checks checks;
         for (const bool align_corners : {false, true}) {
           const auto add = [&](const Shape& x, const Shape& size) {
             checks.push_back(one({any_number(x)}, [=](const Inputs& x) {
               return square(interpolate(x[0], size, {.align_corners = align_corners}));
             }));
           };
           add({1, 2, 3}, {5});
           add({2, 5}, {2});
           add({2, 1, 2, 3}, {3, 2});
           add({1, 3, 2}, {1, 4});
           add({1, 2, 2}, {2, 2});
         }
         for (const Interpolation mode : {Interpolation::nearest, Interpolation::nearest_exact}) {
           for (const Shape& size : {Shape{2, 7}, Shape{5, 2}}) {
             checks.push_back(one({any_number({2, 1, 3, 4})},
                                  [=](const Inputs& x) { return square(interpolate(x[0], size, {.mode = mode})); }));
           }
         }
         return checks;
       }()},
      {"batch_norm", list({one({any_number({3, 2, 2}), any_number({2}), any_number({2})},
                               [](auto& x) { return batch_norm(x[0], x[1], x[2]).y; })})},
      {"batch_norm_eval",
       list({one({any_number({3, 2}), any_number({2}), positive({2}), any_number({2}), any_number({2})},
                 [](auto& x) { return batch_norm_eval(x[0], x[1], x[2], x[3], x[4]); })})},
      {"group_norm", list({one({any_number({2, 4, 2}), any_number({4}), any_number({4})},
                               [](auto& x) { return group_norm(x[0], 2, x[1], x[2]); })})},
      {"scaled_dot_product_attention", attentions([](auto& q, auto& k, auto& v, auto& options) {
         return Outputs{scaled_dot_product_attention(q, k, v, options)};
       })},
      {"attention_with_weights", attentions([](auto& q, auto& k, auto& v, auto& options) {
         const Attended made = attention_with_weights(q, k, v, options);
         return Outputs{made.read, made.weights};
       })},
      {"packed_attention",
       list({one({any_number({1, 3, 8})}, [](auto& x) { return packed_attention(x[0], 2, 1, {.causal = true}); })})},
      {"ctc_loss",
       [] {
         Checks checks = ctc({1, 2, 1, 1, 7, 7}, {3, 2}, {4, 3, 2}, {2, 2, 0});
         for (Check& c : ctc({1, 2, 2}, {3}, {4, 1}, {1, 2})) checks.push_back(c);  // the second one does not fit
         return checks;
       }()},
  };
}

}  // namespace fovea::test
