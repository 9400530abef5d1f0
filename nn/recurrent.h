#pragma once

#include <vector>

#include "fovea/autograd/recurrent.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

struct RecurrentLayerOptions {
  int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;  // on the output of every layer but the last, in training mode
  bool bias = true;
};
using GRUOptions = RecurrentLayerOptions;
using LSTMOptions = RecurrentLayerOptions;

struct RNNOptions {
  int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;
  bool bias = true;
  bool relu = false;  // in place of tanh
};

/// Layers start from states [layers * directions, batch, hidden], cells from [batch, hidden]; undefined: zeros.
using fovea::RecurrentState;

struct RecurrentOutput {
  Tensor output;  // [batch, time, directions * hidden] of the last layer, 0 past a sequence's end
  Tensor h;       // [layers * directions, batch, hidden], the states at each sequence's own end
  Tensor c;       // LSTM only
};

/// What RNN, GRU and LSTM share: layers of one or two directions with PyTorch's parameters and formulas.
///   x        [batch, time, input]
///   lengths  i32 [batch], how far each sequence runs, in any order; undefined: all to the end
///   weight_ih_l{k}, weight_hh_l{k}, bias_ih_l{k}, bias_hh_l{k} and the same with _reverse:
///            [gates * hidden, width], [gates * hidden, hidden], [gates * hidden] twice, uniform in +-1/sqrt(hidden)
class RecurrentLayer : public Module {
 public:
  RecurrentOutput forward(const Tensor& x, const Tensor& lengths = {}, const RecurrentState& initial = {},
                          Caller caller = {}) const;
  std::string description() const override;

  RecurrentKind kind() const { return kind_; }
  int64_t input() const { return input_; }
  int64_t hidden() const { return hidden_; }
  int64_t directions() const { return options_.bidirectional ? 2 : 1; }
  const RecurrentLayerOptions& options() const { return options_; }

 protected:
  RecurrentLayer(RecurrentKind kind, int64_t input, int64_t hidden, RecurrentLayerOptions options, Caller caller);

 private:
  /// The parameters of one direction of one layer.
  struct Direction {
    Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  };
  void check(const Tensor& x, const RecurrentState& initial, Caller caller) const;
  RecurrentOutput layer(const Tensor& x, const Tensor& lengths, const RecurrentState& initial, int64_t index,
                        Caller caller) const;

  RecurrentKind kind_;
  int64_t input_;
  int64_t hidden_;
  RecurrentLayerOptions options_;
  std::vector<Direction> parameters_;  // layer by layer, forward before reverse; never resized once registered
};

/// h = tanh(W_ih x + b_ih + W_hh h + b_hh) (Elman 1990).
class RNN : public RecurrentLayer {
 public:
  RNN(int64_t input, int64_t hidden, RNNOptions options = {}, Caller caller = {});
};

/// Gated recurrent units (Cho et al. 2014), the reset gate after the matrix product.
class GRU : public RecurrentLayer {
 public:
  GRU(int64_t input, int64_t hidden, GRUOptions options = {}, Caller caller = {});
};

/// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).
class LSTM : public RecurrentLayer {
 public:
  LSTM(int64_t input, int64_t hidden, LSTMOptions options = {}, Caller caller = {});
};

}  // namespace fovea::nn
