#pragma once

#include <array>
#include <cmath>
#include <vector>

#include "backends/array.h"

namespace fovea::test {

using CellKind = RecurrentKind;

struct Setting {
  CellKind kind = CellKind::gru;
  int64_t batch = 3, time = 5, hidden = 4;
  bool reverse = false, with_lengths = false, with_state = false, with_bias = true;
  DType dtype = f32;
  bool bf16_operands = false;

  bool lstm() const { return kind == CellKind::lstm; }
  std::string text() const {
    return fmt::format("kind {} batch {} time {} hidden {} reverse {} lengths {} state {} {}", static_cast<int>(kind),
                       batch, time, hidden, reverse, with_lengths, with_state, dtype);
  }
};

/// A layer's inputs, outputs and gradients; output and its gradient are slices of wider tensors.
struct Layer {
  Setting s;
  Array projected, weight, bias, lengths, h0, c0, output, h_last, c_last, reserve;
  Array doutput, dh_last, dc_last, dprojected, dweight, dbias, dh0, dc0;

  explicit Layer(const Setting& setting) : s(setting) {
    const int64_t all = gates(s.kind) * s.hidden;
    projected = noise({s.batch, s.time, all}, 1, s.dtype);
    weight = noise({all, s.hidden}, 2, s.dtype);
    for (int64_t i = 0; i < weight.numel(); ++i)
      weight.set(i, weight.get(i) / std::sqrt(static_cast<double>(s.hidden)));
    bias = noise({all}, 3, s.dtype);
    lengths = make({s.batch}, i32);
    for (int64_t b = 0; b < s.batch; ++b) lengths.set(b, static_cast<double>(b * 7 % (s.time + 1)));
    h0 = noise({s.batch, s.hidden}, 4, s.dtype);
    c0 = noise({s.batch, s.hidden}, 5, s.dtype);
    output = slice(full({s.batch, s.time, 2 * s.hidden}, 77, s.dtype));
    h_last = full({s.batch, s.hidden}, 77, s.dtype);
    c_last = full({s.batch, s.hidden}, 77, s.dtype);
    reserve = full({s.batch, s.time, reserve_width(s.kind) * s.hidden}, std::nan(""), s.dtype);
    doutput = slice(noise({s.batch, s.time, 2 * s.hidden}, 6, s.dtype));
    dh_last = noise({s.batch, s.hidden}, 7, s.dtype);
    dc_last = noise({s.batch, s.hidden}, 8, s.dtype);
    dprojected = full({s.batch, s.time, all}, 77, s.dtype);
    dweight = full({all, s.hidden}, 77, s.dtype);
    dbias = full({all}, 77, s.dtype);
    dh0 = full({s.batch, s.hidden}, 77, s.dtype);
    dc0 = full({s.batch, s.hidden}, 77, s.dtype);
  }

  Array slice(Array wide) const {
    wide.view.shape[2] = s.hidden;
    wide.view.offset = s.hidden;
    return wide;
  }
  int64_t length(int64_t b) const { return s.with_lengths ? static_cast<int64_t>(lengths.get(b)) : s.time; }

  RecurrentCall call(bool with_reserve = true) const {
    return {.kind = s.kind,
            .projected = projected,
            .weight_hh = weight,
            .bias_hh = s.with_bias ? &bias : nullptr,
            .lengths = s.with_lengths ? &lengths : nullptr,
            .h0 = s.with_state ? &h0 : nullptr,
            .c0 = s.with_state && s.lstm() ? &c0 : nullptr,
            .reverse = s.reverse,
            .output = output,
            .h_last = h_last,
            .c_last = s.lstm() ? &c_last : nullptr,
            .reserve = with_reserve ? &reserve : nullptr,
            .bf16_operands = s.bf16_operands};
  }
  void forward() const { cpu().recurrent(std::array{call()}); }
  void backward() const {
    const RecurrentCall done = call();
    cpu().recurrent_backward(std::array{backward_call(done)});
  }
  RecurrentBackwardCall backward_call(const RecurrentCall& done) const {
    return {.forward = done,
            .doutput = doutput,
            .dh_last = s.with_state ? &dh_last : nullptr,
            .dc_last = s.with_state && s.lstm() ? &dc_last : nullptr,
            .dprojected = dprojected,
            .dweight_hh = dweight,
            .dbias_hh = s.with_bias ? &dbias : nullptr,
            .dh0 = s.with_state ? &dh0 : nullptr,
            .dc0 = s.with_state && s.lstm() ? &dc0 : nullptr};
  }
};

/// Every kind and combination of options for each {batch, time, hidden}; of wide layers one combination.
inline std::vector<Setting> settings(const std::vector<std::array<int64_t, 3>>& sizes, DType dtype) {
  std::vector<Setting> all;
  for (CellKind kind : {CellKind::rnn_tanh, CellKind::rnn_relu, CellKind::gru, CellKind::lstm}) {
    for (const auto& [batch, time, hidden] : sizes) {
      for (int flags = 0; flags < 16; ++flags) {
        if (hidden > 200 && flags != 7) continue;
        all.push_back({.kind = kind,
                       .batch = batch,
                       .time = time,
                       .hidden = hidden,
                       .reverse = (flags & 1) != 0,
                       .with_lengths = (flags & 2) != 0,
                       .with_state = (flags & 4) != 0,
                       .with_bias = (flags & 8) == 0,
                       .dtype = dtype});
      }
    }
  }
  return all;
}

}  // namespace fovea::test
