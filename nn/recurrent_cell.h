#pragma once

#include "fovea/autograd/recurrent.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

struct RecurrentCellOptions {
  bool bias = true;
};
struct RNNCellOptions {
  bool bias = true;
  bool relu = false;  // in place of tanh
};

/// What RNNCell, GRUCell and LSTMCell share: one step at a time with PyTorch's parameters and the layers' formulas, for
/// models whose next input depends on the state, such as decoders that attend to what they read.
///   x [batch, input], h [batch, hidden]; undefined states are zeros
///   weight_ih, weight_hh, bias_ih, bias_hh  [gates * hidden, input], [gates * hidden, hidden], [gates * hidden] twice,
///                                           uniform in +-1/sqrt(hidden)
class RecurrentCell : public Module {
 public:
  std::string description() const override;
  RecurrentKind kind() const { return kind_; }
  int64_t input() const { return weight_ih.shape()[1]; }
  int64_t hidden() const { return weight_hh.shape()[1]; }

  Tensor weight_ih, weight_hh;
  Tensor bias_ih, bias_hh;  // undefined without

 protected:
  RecurrentCell(RecurrentKind kind, int64_t input, int64_t hidden, bool bias, Caller caller);
  RecurrentState step(const Tensor& x, RecurrentState before, Caller caller) const;

 private:
  const char* name() const;
  RecurrentKind kind_;
};

/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh) (Elman 1990).
class RNNCell : public RecurrentCell {
 public:
  RNNCell(int64_t input, int64_t hidden, RNNCellOptions options = {}, Caller caller = {});
  /// The next h.
  Tensor forward(const Tensor& x, const Tensor& h = {}, Caller caller = {}) const;
};

/// A gated recurrent unit (Cho et al. 2014), the reset gate after the matrix product.
class GRUCell : public RecurrentCell {
 public:
  GRUCell(int64_t input, int64_t hidden, RecurrentCellOptions options = {}, Caller caller = {});
  /// The next h.
  Tensor forward(const Tensor& x, const Tensor& h = {}, Caller caller = {}) const;
};

/// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).
class LSTMCell : public RecurrentCell {
 public:
  LSTMCell(int64_t input, int64_t hidden, RecurrentCellOptions options = {}, Caller caller = {});
  /// The next h and c.
  RecurrentState forward(const Tensor& x, const RecurrentState& state = {}, Caller caller = {}) const;
};

}  // namespace fovea::nn
