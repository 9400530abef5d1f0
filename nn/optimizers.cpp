#include "fovea/nn/optimizers.h"

#include <cmath>

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/sparse_rows.h"

namespace fovea::nn {
namespace {

/// Throws ValueError unless `value` is in [low, high).
void check(const char* optimizer, const char* name, double value, double low, double high, Caller caller) {
  if (value >= low && value < high) return;
  raise<ValueError>(caller, "{}: {} = {} is outside [{}, {})", optimizer, name, value, low, high);
}

constexpr double unbounded = HUGE_VAL;

template <class Options>
void check_rate(const char* optimizer, const Options& options, Caller caller) {
  check(optimizer, "lr", options.lr, 0, unbounded, caller);
  check(optimizer, "weight_decay", options.weight_decay, 0, unbounded, caller);
}

template <class Options>
void check_adam(const char* optimizer, const std::vector<ParameterGroup<Options>>& groups, Caller caller) {
  for (const auto& group : groups) {
    check_rate(optimizer, group.options, caller);
    check(optimizer, "beta1", group.options.beta1, 0, 1, caller);
    check(optimizer, "beta2", group.options.beta2, 0, 1, caller);
    check(optimizer, "eps", group.options.eps, 0, unbounded, caller);
  }
}

/// What one step of Adam makes of its moments: m', v' and p by p' = p - rate m' / (sqrt(v') + eps), where rate and eps
/// already hold the corrections of the moments' bias.
struct AdamMoments {
  Expr m, v, move;

  AdamMoments(Expr g, Expr old_m, Expr old_v, Expr take1, Expr take2, Expr rate, Expr eps)
      // Not as old + take * (new - old), which leaves something of a much larger old one where all of it is to go.
      : m(old_m - take1 * old_m + take1 * g),
        v(old_v - take2 * old_v + take2 * (g * g)),
        move(rate * m / (sqrt(v) + eps)) {}
};

/// The numbers of one step.
struct AdamStep {
  double take1, take2, rate, eps;
  double decay;  // l2: added to the gradient; decoupled: taken off the parameter
  bool decoupled;

  template <class Options>
  AdamStep(const Options& o, double lr, int64_t step, bool decoupled)
      : take1(1 - o.beta1),
        take2(1 - o.beta2),
        decay(decoupled ? lr * o.weight_decay : o.weight_decay),
        decoupled(decoupled) {
    const double correction = std::sqrt(1 - std::pow(o.beta2, static_cast<double>(step)));
    rate = lr / (1 - std::pow(o.beta1, static_cast<double>(step))) * correction;
    eps = o.eps * correction;
  }

  void apply(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v) const {
    // A program for each case: every instruction that is not there saves a pass over registers.
    static const Elementwise plain{
        "adam", [](Expr p, Expr g, Expr m, Expr v, Scalar take1, Scalar take2, Scalar rate, Scalar eps) {
          const AdamMoments after(g, m, v, take1, take2, rate, eps);
          return std::vector<Expr>{p - after.move, after.m, after.v};
        }};
    static const Elementwise in_gradient{"adam_l2", [](Expr p, Expr g, Expr m, Expr v, Scalar take1, Scalar take2,
                                                       Scalar rate, Scalar eps, Scalar decay) {
                                           const AdamMoments after(g + decay * p, m, v, take1, take2, rate, eps);
                                           return std::vector<Expr>{p - after.move, after.m, after.v};
                                         }};
    static const Elementwise apart{
        "adamw", [](Expr p, Expr g, Expr m, Expr v, Scalar take1, Scalar take2, Scalar rate, Scalar eps, Scalar decay) {
          const AdamMoments after(g, m, v, take1, take2, rate, eps);
          return std::vector<Expr>{p - decay * p - after.move, after.m, after.v};
        }};
    if (decay == 0) return plain.into({&p, &m, &v}, {p, g, m, v, take1, take2, rate, eps});
    (decoupled ? apart : in_gradient).into({&p, &m, &v}, {p, g, m, v, take1, take2, rate, eps, decay});
  }

  void apply_rows(const Tensor& table, const Tensor& index, const Tensor& g, const Tensor& m, const Tensor& v) const {
    // How much each row changes: added in place, so that no other row is touched.
    static const Elementwise f{"adam_rows", [](Expr p, Expr g, Expr m, Expr v, Scalar take1, Scalar take2, Scalar rate,
                                               Scalar eps, Scalar l2, Scalar apart) {
                                 const AdamMoments after(g + l2 * p, m, v, take1, take2, rate, eps);
                                 return std::vector<Expr>{-(apart * p + after.move), after.m - m, after.v - v};
                               }};
    const std::vector<Tensor> change =
        f.all({autograd::gather_rows(table, index), g, autograd::gather_rows(m, index), autograd::gather_rows(v, index),
               take1, take2, rate, eps, decoupled ? 0.0 : decay, decoupled ? decay : 0.0});
    autograd::add_rows(table, index, change[0]);
    autograd::add_rows(m, index, change[1]);
    autograd::add_rows(v, index, change[2]);
  }
};

/// What one step of RMSprop makes of its moments: v', the mean a' of the gradients where they are centred, and how far to
/// go, in units of the rate.
struct RmsMoments {
  Expr v, a, move;

  RmsMoments(Expr g, Expr old_v, Expr alpha, Expr eps)
      : v(alpha * old_v + (1.0 - alpha) * (g * g)), a(g), move(g / (sqrt(v) + eps)) {}
  RmsMoments(Expr g, Expr old_v, Expr old_a, Expr alpha, Expr eps)
      : v(alpha * old_v + (1.0 - alpha) * (g * g)),
        a(old_a + (1.0 - alpha) * (g - old_a)),
        move(g / (sqrt(v - a * a) + eps)) {}
};

}  // namespace

SGD::SGD(const std::vector<ParameterGroup<SGDOptions>>& groups, Caller caller) : OptimizerWith(groups, caller) {
  for (const auto& group : groups) {
    check_rate("SGD", group.options, caller);
    check("SGD", "momentum", group.options.momentum, 0, unbounded, caller);
    if (!std::isfinite(group.options.dampening)) {
      raise<ValueError>(caller, "SGD: dampening = {} is not finite", group.options.dampening);
    }
    if (group.options.nesterov && (group.options.momentum == 0 || group.options.dampening != 0)) {
      raise<ValueError>(caller, "SGD: nesterov needs momentum and no dampening");
    }
  }
}
SGD::SGD(const Parameters& parameters, SGDOptions options, Caller caller) : SGD({{parameters, options}}, caller) {}

std::vector<const char*> SGD::state_names(const Slot& slot) const {
  if (options(slot.group).momentum == 0) return {};
  return {"momentum_buffer"};
}

void SGD::update(Slot& slot, const Tensor& gradient) {
  static const Elementwise plain{"sgd",
                                 [](Expr p, Expr g, Scalar lr, Scalar decay) { return p - lr * (g + decay * p); }};
  static const Elementwise heavy{
      "sgd_momentum",
      [](Expr p, Expr given, Expr b, Scalar lr, Scalar decay, Scalar keep, Scalar take, Scalar ahead, Scalar momentum) {
        const Expr g = given + decay * p;
        const Expr b1 = keep * b + take * g;
        return std::vector<Expr>{p - lr * (ahead * g + where(ahead, momentum, 1.0) * b1), b1};
      }};
  const SGDOptions& o = options(slot.group);
  const double lr = this->lr(slot.group);
  if (o.momentum == 0) return plain.into({&slot.parameter}, {slot.parameter, gradient, lr, o.weight_decay});
  const bool first = slot.steps == 1;
  heavy.into({&slot.parameter, &slot.state[0]},
             {slot.parameter, gradient, slot.state[0], lr, o.weight_decay, first ? 0 : o.momentum,
              first ? 1 : 1 - o.dampening, o.nesterov ? 1.0 : 0.0, o.momentum});
}

bool SGD::takes_rows(const Slot& slot) const {
  return options(slot.group).momentum == 0 && options(slot.group).weight_decay == 0;
}

void SGD::update_rows(Slot& slot, const Rows& rows) {
  autograd::add_rows(slot.parameter, rows.index, rows.values, -lr(slot.group));
}

Adam::Adam(const std::vector<ParameterGroup<AdamOptions>>& groups, Caller caller) : OptimizerWith(groups, caller) {
  check_adam("Adam", groups, caller);
}
Adam::Adam(const Parameters& parameters, AdamOptions options, Caller caller) : Adam({{parameters, options}}, caller) {}

std::vector<const char*> Adam::state_names(const Slot&) const { return {"exp_avg", "exp_avg_sq"}; }
void Adam::update(Slot& slot, const Tensor& gradient) {
  AdamStep(options(slot.group), lr(slot.group), slot.steps, false)
      .apply(slot.parameter, gradient, slot.state[0], slot.state[1]);
}
void Adam::update_rows(Slot& slot, const Rows& rows) {
  AdamStep(options(slot.group), lr(slot.group), slot.steps, false)
      .apply_rows(slot.parameter, rows.index, rows.values, slot.state[0], slot.state[1]);
}

AdamW::AdamW(const std::vector<ParameterGroup<AdamWOptions>>& groups, Caller caller) : OptimizerWith(groups, caller) {
  check_adam("AdamW", groups, caller);
}
AdamW::AdamW(const Parameters& parameters, AdamWOptions options, Caller caller)
    : AdamW({{parameters, options}}, caller) {}

std::vector<const char*> AdamW::state_names(const Slot&) const { return {"exp_avg", "exp_avg_sq"}; }
void AdamW::update(Slot& slot, const Tensor& gradient) {
  AdamStep(options(slot.group), lr(slot.group), slot.steps, true)
      .apply(slot.parameter, gradient, slot.state[0], slot.state[1]);
}
void AdamW::update_rows(Slot& slot, const Rows& rows) {
  AdamStep(options(slot.group), lr(slot.group), slot.steps, true)
      .apply_rows(slot.parameter, rows.index, rows.values, slot.state[0], slot.state[1]);
}

RMSprop::RMSprop(const std::vector<ParameterGroup<RMSpropOptions>>& groups, Caller caller)
    : OptimizerWith(groups, caller) {
  for (const auto& group : groups) {
    check_rate("RMSprop", group.options, caller);
    check("RMSprop", "alpha", group.options.alpha, 0, unbounded, caller);
    check("RMSprop", "momentum", group.options.momentum, 0, unbounded, caller);
    check("RMSprop", "eps", group.options.eps, 0, unbounded, caller);
  }
}
RMSprop::RMSprop(const Parameters& parameters, RMSpropOptions options, Caller caller)
    : RMSprop({{parameters, options}}, caller) {}

std::vector<const char*> RMSprop::state_names(const Slot& slot) const {
  std::vector<const char*> names{"square_avg"};
  if (options(slot.group).centered) names.push_back("grad_avg");
  if (options(slot.group).momentum > 0) names.push_back("momentum_buffer");
  return names;
}

void RMSprop::update(Slot& slot, const Tensor& gradient) {
  const RMSpropOptions& o = options(slot.group);
  const double lr = this->lr(slot.group);
  const Tensor &p = slot.parameter, &v = slot.state[0];
  if (!o.centered && o.momentum == 0) {
    static const Elementwise f{"rmsprop",
                               [](Expr p, Expr g, Expr v, Scalar lr, Scalar alpha, Scalar eps, Scalar decay) {
                                 const RmsMoments after(g + decay * p, v, alpha, eps);
                                 return std::vector<Expr>{p - lr * after.move, after.v};
                               }};
    return f.into({&p, &v}, {p, gradient, v, lr, o.alpha, o.eps, o.weight_decay});
  }
  if (!o.centered) {
    static const Elementwise f{"rmsprop_momentum", [](Expr p, Expr g, Expr v, Expr b, Scalar lr, Scalar alpha,
                                                      Scalar eps, Scalar decay, Scalar momentum) {
                                 const RmsMoments after(g + decay * p, v, alpha, eps);
                                 const Expr b1 = momentum * b + after.move;
                                 return std::vector<Expr>{p - lr * b1, after.v, b1};
                               }};
    const Tensor& b = slot.state[1];
    return f.into({&p, &v, &b}, {p, gradient, v, b, lr, o.alpha, o.eps, o.weight_decay, o.momentum});
  }
  const Tensor& a = slot.state[1];
  if (o.momentum == 0) {
    static const Elementwise f{"rmsprop_centered",
                               [](Expr p, Expr g, Expr v, Expr a, Scalar lr, Scalar alpha, Scalar eps, Scalar decay) {
                                 const RmsMoments after(g + decay * p, v, a, alpha, eps);
                                 return std::vector<Expr>{p - lr * after.move, after.v, after.a};
                               }};
    return f.into({&p, &v, &a}, {p, gradient, v, a, lr, o.alpha, o.eps, o.weight_decay});
  }
  static const Elementwise f{"rmsprop_centered_momentum", [](Expr p, Expr g, Expr v, Expr a, Expr b, Scalar lr,
                                                             Scalar alpha, Scalar eps, Scalar decay, Scalar momentum) {
                               const RmsMoments after(g + decay * p, v, a, alpha, eps);
                               const Expr b1 = momentum * b + after.move;
                               return std::vector<Expr>{p - lr * b1, after.v, after.a, b1};
                             }};
  const Tensor& b = slot.state[2];
  f.into({&p, &v, &a, &b}, {p, gradient, v, a, b, lr, o.alpha, o.eps, o.weight_decay, o.momentum});
}

Adagrad::Adagrad(const std::vector<ParameterGroup<AdagradOptions>>& groups, Caller caller)
    : OptimizerWith(groups, caller) {
  for (const auto& group : groups) {
    check_rate("Adagrad", group.options, caller);
    check("Adagrad", "lr_decay", group.options.lr_decay, 0, unbounded, caller);
    check("Adagrad", "initial_accumulator", group.options.initial_accumulator, 0, unbounded, caller);
    check("Adagrad", "eps", group.options.eps, 0, unbounded, caller);
  }
}
Adagrad::Adagrad(const Parameters& parameters, AdagradOptions options, Caller caller)
    : Adagrad({{parameters, options}}, caller) {}

double Adagrad::initial_state(const Slot& slot) const { return options(slot.group).initial_accumulator; }

namespace {

double adagrad_rate(const AdagradOptions& o, double lr, int64_t step) {
  return lr / (1 + static_cast<double>(step - 1) * o.lr_decay);
}

}  // namespace

std::vector<const char*> Adagrad::state_names(const Slot&) const { return {"sum"}; }

void Adagrad::update(Slot& slot, const Tensor& gradient) {
  static const Elementwise f{"adagrad", [](Expr p, Expr given, Expr v, Scalar lr, Scalar eps, Scalar decay) {
                               const Expr g = given + decay * p;
                               const Expr v1 = v + g * g;
                               return std::vector<Expr>{p - lr * g / (sqrt(v1) + eps), v1};
                             }};
  const AdagradOptions& o = options(slot.group);
  f.into({&slot.parameter, &slot.state[0]},
         {slot.parameter, gradient, slot.state[0], adagrad_rate(o, lr(slot.group), slot.steps), o.eps, o.weight_decay});
}

bool Adagrad::takes_rows(const Slot& slot) const { return options(slot.group).weight_decay == 0; }

void Adagrad::update_rows(Slot& slot, const Rows& rows) {
  static const Elementwise f{"adagrad_rows", [](Expr g, Expr v, Scalar lr, Scalar eps) {
                               return std::vector<Expr>{-(lr * g / (sqrt(v + g * g) + eps)), g * g};
                             }};
  const AdagradOptions& o = options(slot.group);
  const std::vector<Tensor> change = f.all({rows.values, autograd::gather_rows(slot.state[0], rows.index),
                                            adagrad_rate(o, lr(slot.group), slot.steps), o.eps});
  autograd::add_rows(slot.parameter, rows.index, change[0]);
  autograd::add_rows(slot.state[0], rows.index, change[1]);
}

}  // namespace fovea::nn
