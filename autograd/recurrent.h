#pragma once

#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

struct RecurrentOptions {
  RecurrentKind kind = RecurrentKind::gru;
  bool reverse = false;
  Tensor lengths = {};  // i32 [batch], how far each sequence runs; undefined: all of them to the end
  Tensor h0 = {};       // [batch, hidden]; undefined: zeros
  Tensor c0 = {};       // [batch, hidden], lstm only; undefined: zeros
};

struct RecurrentResult {
  Tensor output;  // [batch, time, hidden], 0 past a sequence's end
  Tensor h;       // [batch, hidden], the state at each sequence's own end
  Tensor c;       // lstm only
};

/// One direction of one recurrent layer, with the formulas of PyTorch's nn.RNN, nn.GRU and nn.LSTM. `projected` [batch,
/// time, gates * hidden] is the input's part of the gates, x W_ih^T + b_ih; weight_hh [gates * hidden, hidden]; bias_hh
/// [gates * hidden] may be undefined.
RecurrentResult recurrent(const Tensor& projected, const Tensor& weight_hh, const Tensor& bias_hh,
                          const RecurrentOptions& options, Caller caller = {});

/// What a recurrent layer carries from one step to the next.
struct RecurrentState {
  Tensor h = {};
  Tensor c = {};  // LSTM only
};
/// One step of a layer by itself, in ordinary operations: `projected` and `hidden` [batch, gates * hidden] are the input's and
/// the state's parts of the gates, biases included, and the states [batch, hidden].
RecurrentState recurrent_step(RecurrentKind kind, const Tensor& projected, const Tensor& hidden,
                              const RecurrentState& before, Caller caller = {});

struct RecurrentDirection {
  Tensor projected, weight_hh, bias_hh;
  RecurrentOptions options;
};
/// Both directions of a layer, or the only one: what recurrent() gives for each, computed at the same time where cores or the
/// device allow. They agree in kind, sizes and dtype.
std::vector<RecurrentResult> recurrent(const std::vector<RecurrentDirection>& directions, Caller caller = {});

}  // namespace fovea
