#include "fovea/autograd/ctc.h"

#include <limits>
#include <numeric>

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/loss_reduction.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

/// The logarithm of a probability of 0, small enough that sums of it stay finite.
constexpr double never = -1e30;

/// Targets and lengths on the host.
struct Labels {
  int64_t batch = 0, longest = 0;
  std::vector<int64_t> inputs, lengths;            // [batch]
  std::vector<std::vector<int32_t>> targets = {};  // of each, without what pads it
};

std::vector<int64_t> lengths_of(const Tensor& lengths, const Tensor& x, const char* what, Caller caller) {
  if (lengths.dtype() != i32 || lengths.shape() != Shape{x.shape()[1]}) {
    raise<ShapeError>(caller,
                      "ctc_loss: {} {} of {} are not i32 [{}], for log-probabilities {}: [time, batch, classes]", what,
                      lengths.shape(), lengths.dtype(), x.shape()[1], x.shape());
  }
  return lengths.to_vector<int64_t>();
}

Labels read_labels(const Tensor& x, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths,
                   const CTCOptions& options, Caller caller) {
  refuse_while_recording("ctc_loss", caller);  // its states follow from the labels
  if (x.rank() != 3) {
    raise<ShapeError>(caller, "ctc_loss: log-probabilities {} are not [time, batch, classes]", x.shape());
  }
  const int64_t time = x.shape()[0], batch = x.shape()[1], classes = x.shape()[2];
  if (options.blank < 0 || options.blank >= classes) {
    raise<ValueError>(caller, "ctc_loss: blank {} of {} classes", options.blank, classes);
  }
  Labels out{.batch = batch,
             .inputs = lengths_of(input_lengths, x, "input lengths", caller),
             .lengths = lengths_of(target_lengths, x, "target lengths", caller)};
  const bool padded = targets.rank() == 2;
  const int64_t total = std::accumulate(out.lengths.begin(), out.lengths.end(), int64_t{0});
  if (targets.dtype() != i32 || (padded ? targets.shape()[0] != batch : targets.shape() != Shape{total})) {
    raise<ShapeError>(caller, "ctc_loss: targets {} of {} are neither i32 [{}, longest] nor i32 [{}]", targets.shape(),
                      targets.dtype(), batch, total);
  }
  const std::vector<int32_t> labels = targets.to_vector<int32_t>();
  int64_t next = 0;
  for (int64_t n = 0; n < batch; ++n) {
    const int64_t input = out.inputs[static_cast<size_t>(n)], length = out.lengths[static_cast<size_t>(n)];
    if (input < 0 || input > time || length < 0 || (padded && length > targets.shape()[1])) {
      raise<ValueError>(caller, "ctc_loss: lengths {} and {} in row {} of inputs {} and targets {}", input, length, n,
                        x.shape(), targets.shape());
    }
    const auto begin = labels.begin() + (padded ? n * targets.shape()[1] : next);
    out.targets.emplace_back(begin, begin + length);
    for (int32_t label : out.targets.back()) {
      if (label < 0 || label >= classes || label == options.blank) {
        raise<IndexError>(caller, "ctc_loss: target {} in row {}; classes are 0 to {} without {}", label, n,
                          classes - 1, options.blank);
      }
    }
    next += length;
    out.longest = std::max(out.longest, length);
  }
  return out;
}

/// The states that a path runs through: a blank, the first label, a blank, the second label, ..., a blank.
struct States {
  Tensor label;  // i32 [batch, states]
  Tensor skips;  // [batch, states], 1 where the blank before may be left out: between labels that differ
  Tensor ends;   // [batch, states], 1 at the last label and the blank behind it
};

States make_states(const Labels& labels, int64_t blank, TensorOptions like) {
  const int64_t count = 2 * labels.longest + 1;
  const auto size = static_cast<size_t>(labels.batch * count);
  std::vector<int32_t> label(size, static_cast<int32_t>(blank));
  std::vector<double> skips(size, 0), ends(size, 0);
  for (int64_t n = 0; n < labels.batch; ++n) {
    const std::vector<int32_t>& target = labels.targets[static_cast<size_t>(n)];
    const auto row = static_cast<size_t>(n * count);
    for (size_t i = 0; i < target.size(); ++i) {
      label[row + 2 * i + 1] = target[i];
      skips[row + 2 * i + 1] = i > 0 && target[i] != target[i - 1];
    }
    ends[row + 2 * target.size()] = 1;
    if (!target.empty()) ends[row + 2 * target.size() - 1] = 1;
  }
  const Shape shape{labels.batch, count};
  const auto place = [&](const std::vector<double>& x) { return raw::from_host(x, shape, like); };
  return {from_vector(label, shape, like.device), place(skips), place(ends)};
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CTCOptions& options, Caller caller) {
  // A path comes to a state from itself, the one before or, over a blank, the one before that.
  static const Elementwise step{"ctc_step",
                                [](Expr stay, Expr before, Expr over, Expr skips, Expr emission, Expr reads) {
                                  const Expr all = logaddexp(logaddexp(stay, before), where(skips, over, never));
                                  return where(reads, all + maximum(emission, never), stay);
                                }};
  static const Elementwise ending{"ctc_ending", [](Expr alpha, Expr ends) { return where(ends, alpha, never); }};
  static const Elementwise cost{"ctc_cost", [](Expr log_likelihood, Scalar impossible) {
                                  return where(log_likelihood > never / 2, -log_likelihood, impossible);
                                }};
  const ErrorScope scope(caller);
  raw::check_floating("ctc_loss", log_probabilities, caller);
  const Tensor x = widened(log_probabilities);  // f16 holds no `never`
  const Labels labels = read_labels(x, targets, input_lengths, target_lengths, options, caller);
  const int64_t time = x.shape()[0];
  const States states = make_states(labels, options.blank, x.options());
  const int64_t count = states.label.shape()[1];
  const std::vector<Tensor> emissions = gather(x, 2, states.label.expand({time, labels.batch, count})).unbind();
  const Tensor ends_at = input_lengths.to(x.device()).to(x.dtype()).unsqueeze(1);
  // Before the first step every path stands on the first blank, from where blank and first label can be reached.
  const Tensor start = full({labels.batch, count}, never, x.options());
  start.slice(1, 0, 1).zero_();
  Tensor alpha = start;
  const int64_t longest = labels.inputs.empty() ? 0 : *std::max_element(labels.inputs.begin(), labels.inputs.end());
  for (int64_t t = 0; t < longest; ++t) {
    const Tensor behind = pad(alpha, {2, 0}, never);
    alpha = step.all({alpha, behind.slice(1, 1, count + 1), behind.slice(1, 0, count), states.skips,
                      emissions[static_cast<size_t>(t)], gt(ends_at, static_cast<double>(t))})[0];
  }
  const Tensor log_likelihood = logsumexp(ending(alpha, states.ends), 1);
  const Tensor losses = cost(log_likelihood, options.zero_infinity ? 0.0 : std::numeric_limits<double>::infinity());
  if (options.reduction != Reduction::mean) {
    return reduce_losses(losses, options.reduction).to(log_probabilities.dtype());
  }
  std::vector<double> divisors;
  for (int64_t length : labels.lengths) divisors.push_back(static_cast<double>(std::max<int64_t>(length, 1)));
  return mean(losses / raw::from_host(divisors, {labels.batch}, x.options())).to(log_probabilities.dtype());
}

}  // namespace fovea
