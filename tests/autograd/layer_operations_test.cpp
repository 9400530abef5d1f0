// Rows of the table of operations: the functions that stand beside the modules of nn.
#include "autograd/operations.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/nn/activations.h"
#include "fovea/nn/attention.h"
#include "fovea/nn/dropout.h"
#include "fovea/nn/losses.h"
#include "fovea/nn/positions.h"

namespace fovea::test {
namespace {

using nn::Score;
using nn::Weights;

Tensor signs() { return from_vector(std::vector<double>{1, -1, -1, 1, 1, -1}, {3, 2}); }

Checks scores() {
  Checks checks;
  for (const Score score : {Score::dot, Score::scaled_dot, Score::cosine}) {
    checks.push_back(one({any_number({2, 2, 3}), any_number({2, 3, 3})},
                         [=](const Inputs& x) { return nn::attention_scores(x[0], x[1], score); }));
  }
  checks.push_back(one({any_number({2, 3}), any_number({3, 2}), any_number({3, 2})},
                       [](const Inputs& x) { return nn::attention_scores(x[0], x[1], Score::bilinear, {.w = x[2]}); }));
  checks.push_back(one({any_number({2, 3}), any_number({3, 2}), any_number({3, 4})},
                       [](const Inputs& x) { return nn::attention_scores(x[0], x[1], Score::location, {.w = x[2]}); }));
  checks.push_back(
      one({any_number({2, 3}), any_number({3, 2}), any_number({3, 2}), any_number({2, 2}), any_number({2})},
          [](const Inputs& x) {
            return nn::attention_scores(x[0], x[1], Score::additive, {.wq = x[2], .wk = x[3], .u = x[4]});
          }));
  return checks;
}

Checks weights() {
  Checks checks;
  const Tensor keep = from_vector(std::vector<bool>{1, 0, 1, 1, 1, 1, 1, 0}, {2, 4});
  for (const Weights kind : {Weights::softmax, Weights::sum, Weights::exp, Weights::sparsemax, Weights::entmax15}) {
    checks.push_back(one({any_number({2, 4})},
                         [=](const Inputs& x) { return nn::attention_weights(x[0], beside(keep, x[0]), kind, 0.7); }));
    checks.push_back(one({any_number({2, 4})}, [=](const Inputs& x) { return nn::attention_weights(x[0], {}, kind); }));
  }
  return checks;
}

/// f(query, keys, values, options with temperatures) with scores of both kinds.
template <class F>
Checks attended(const F& f) {
  return list({{{any_number({1, 2, 3}), any_number({1, 3, 3}), any_number({1, 3, 2}), positive({1, 2, 1})},
                [=](const Inputs& x) {
                  return f(x[0], x[1], x[2], {.score = Score::cosine, .temperature = 0.5, .temperatures = x[3]});
                }},
               {{any_number({1, 2, 3}), any_number({1, 3, 3}), any_number({1, 3, 2})},
                [=](const Inputs& x) { return f(x[0], x[1], x[2], {.weights = Weights::entmax15}); }}});
}

}  // namespace

Table layer_operations() {
  return {
      {"glu", list({one({any_number({2, 4})}, [](auto& x) { return nn::glu(x[0]); }),
                    one({any_number({2, 3})}, [](auto& x) { return nn::glu(x[0], 0); })})},
      {"dropout", list({one({any_number({2, 3})},
                            [](auto& x) {
                              Generator generator{3};
                              return square(nn::dropout(x[0], 0.4, generator));
                            })})},
      {"dropout1d", list({one({any_number({2, 3, 2})},
                              [](auto& x) {
                                Generator generator{3};
                                return square(nn::dropout1d(x[0], 0.4, generator));
                              })})},
      {"dropout2d", list({one({any_number({3, 2, 2})},
                              [](auto& x) {
                                Generator generator{3};
                                return square(nn::dropout2d(x[0], 0.4, generator));
                              })})},
      {"dropout3d", list({one({any_number({2, 2, 1, 2})},
                              [](auto& x) {
                                Generator generator{3};
                                return square(nn::dropout3d(x[0], 0.4, generator));
                              })})},
      {"pad_sequence", list({one({any_number({2, 3}), any_number({4, 3}), any_number({0, 3})},
                                 [](auto& x) { return square(nn::pad_sequence(x, 0.5)); })})},
      {"rotary", list({one({any_number({2, 3, 4})}, [](auto& x) { return square(nn::rotary(x[0], 2)); })})},
      {"sparsemax", list({one({any_number({3, 4})}, [](auto& x) { return square(nn::sparsemax(x[0])); })})},
      {"entmax15", list({one({any_number({3, 4})}, [](auto& x) { return nn::entmax15(x[0]); }),
                         one({any_number({1, 2, 5})}, [](auto& x) { return nn::entmax15(x[0] * 3.0); })})},
      {"attention_scores", scores()},
      {"attention_weights", weights()},
      {"attention_read", list({one({any_number({2, 2, 3}), any_number({2, 3, 2})},
                                   [](auto& x) { return nn::attention_read(x[0], x[1]); })})},
      {"attention_pool", list({{{any_number({2, 3}), any_number({2, 4, 3}), any_number({2, 4, 2})},
                                [](auto& x) {
                                  const Attended out = nn::attention_pool(x[0], x[1], x[2]);
                                  return Outputs{out.read, out.weights};
                                }}})},
      {"attend", attended([](auto& q, auto& k, auto& v, const nn::AttentionOptions& options) {
         return Outputs{nn::attend(q, k, v, {}, options)};
       })},
      {"attend_with_weights", attended([](auto& q, auto& k, auto& v, const nn::AttentionOptions& options) {
         const Attended out = nn::attend_with_weights(q, k, v, {}, options);
         return Outputs{out.read, out.weights};
       })},
      {"margin_ranking_loss",
       list({one({any_number({3, 2}), any_number({3, 2})},
                 [](auto& x) { return nn::margin_ranking_loss(x[0], x[1], beside(signs(), x[0]), 0.3); })})},
      {"soft_margin_loss",
       list({one({any_number({3, 2})}, [](auto& x) { return nn::soft_margin_loss(x[0], beside(signs(), x[0])); })})},
      {"hinge_embedding_loss",
       list(
           {one({any_number({3, 2})}, [](auto& x) { return nn::hinge_embedding_loss(x[0], beside(signs(), x[0])); })})},
      {"cosine_embedding_loss",
       list({one({any_number({3, 2, 3}), any_number({3, 2, 3})},
                 [](auto& x) { return nn::cosine_embedding_loss(x[0], x[1], beside(signs(), x[0]), 0.2); })})},
      {"triplet_margin_loss",
       list({one({any_number({3, 2}), any_number({3, 2}), any_number({3, 2})},
                 [](auto& x) { return nn::triplet_margin_loss(x[0], x[1], x[2], {.swap = true}); })})},
      {"multi_margin_loss", list({one({any_number({3, 4})},
                                      [](auto& x) {
                                        return nn::multi_margin_loss(x[0], beside(integers({0, 3, 1}, {3}), x[0]));
                                      })})},
      {"focal_loss", list({one({any_number({3, 4})},
                               [](auto& x) {
                                 return nn::focal_loss(x[0], beside(integers({0, 3, 1}, {3}), x[0]));
                               }),
                           one({any_number({2, 2, 3})},
                               [weight = positive({3})](auto& x) {
                                 const Tensor targets = beside(integers({0, 2, -100, 1}, {2, 2}), x[0]);
                                 return nn::focal_loss(x[0], targets, {.gamma = 0.5, .weight = beside(weight, x[0])});
                               })})},
      {"sigmoid_focal_loss",
       list({one({any_number({3, 2}), any_number({3, 2})},
                 [](auto& x) { return nn::sigmoid_focal_loss(x[0], x[1].defined() ? sigmoid(x[1]) : x[1]); }),
             one({any_number({3, 2})},
                 [](auto& x) {
                   return nn::sigmoid_focal_loss(x[0], beside(gt(signs(), 0.0).to(f64), x[0]),
                                                 {.alpha = -1, .gamma = 0.7, .reduction = Reduction::mean});
                 })})},
      {"dice_loss",
       list({one({any_number({2, 2, 3}), any_number({2, 2, 3})}, [](auto& x) { return nn::dice_loss(x[0], x[1]); }),
             one({any_number({1, 2, 2, 2}), any_number({1, 2, 2, 2})},
                 [](auto& x) { return nn::dice_loss(x[0], x[1], {.smooth = 0, .reduction = Reduction::none}); })})},
      {"gaussian_nll_loss", list({one({any_number({4}), any_number({4}), positive({4})},
                                      [](auto& x) { return nn::gaussian_nll_loss(x[0], x[1], x[2]); })})},
      {"poisson_nll_loss", list({one({any_number({4}), positive({4})},
                                     [](auto& x) { return nn::poisson_nll_loss(x[0], x[1], {.full = true}); })})},
  };
}

}  // namespace fovea::test
