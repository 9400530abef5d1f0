// One step of a recurrent cell for a vector of hidden units, for inclusion per target (see Highway's foreach_target.h).
#if defined(FOVEA_CPU_RECURRENT_CELLS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_CPU_RECURRENT_CELLS_INL_H_
#undef FOVEA_CPU_RECURRENT_CELLS_INL_H_
#else
#define FOVEA_CPU_RECURRENT_CELLS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "fovea/backends/backend.h"
#include "fovea/backends/cpu/gates-inl.h"
#include "fovea/backends/cpu/recurrent_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

// Slot `slot` of a row of slots of `hidden` values each, from unit j on: a whole vector or, at the end of a row that is
// no multiple of one, what is left.
template <bool whole, class T>
struct Columns {
  // Elsewhere the lanes that a mask leaves out are read and written all the same.
  static constexpr bool masks = HWY_TARGET <= HWY_AVX2;
  int64_t hidden;
  int64_t j;

  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, const T* row, int64_t slot = 0) const {
    const T* from = row + slot * hidden + j;
    if constexpr (whole) return hn::LoadU(d, from);
    if constexpr (masks) return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(hidden - j)), d, from);
    HWY_ALIGN T part[HWY_MAX_BYTES / sizeof(T)] = {};
    std::memcpy(part, from, static_cast<size_t>(hidden - j) * sizeof(T));
    return hn::Load(d, part);
  }
  template <class D>
  HWY_INLINE void store(D d, hn::Vec<D> value, T* row, int64_t slot = 0) const {
    T* to = row + slot * hidden + j;
    if constexpr (whole) return hn::StoreU(value, d, to);
    if constexpr (masks) return hn::BlendedStore(value, hn::FirstN(d, static_cast<size_t>(hidden - j)), d, to);
    HWY_ALIGN T part[HWY_MAX_BYTES / sizeof(T)];
    hn::Store(value, d, part);
    std::memcpy(to, part, static_cast<size_t>(hidden - j) * sizeof(T));
  }
};

// A step of `count` rows; `sums`, rows of `stride`, are the gates' products with the previous state, hidden bias
// included, a vector per gate. Each gate is computed for all rows before the next: they do not wait for one another.
template <RecurrentKind kind, class D, class C, class T>
HWY_INLINE void cell_forward(D d, T* HWY_RESTRICT sums, int64_t stride, C at, const CellRow<T>* HWY_RESTRICT rows,
                             int64_t count) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr bool lstm = kind == RecurrentKind::lstm, gru = kind == RecurrentKind::gru;
  for (int g = 0; g < (lstm ? 4 : gru ? 2 : 0); ++g) {  // the new gate of a GRU waits for the reset gate
    for (int64_t r = 0; r < count; ++r) {
      T* sum = sums + r * stride + g * lanes;
      const V x = hn::Add(at.load(d, rows[r].projected, g), hn::Load(d, sum));
      hn::Store(lstm && g == 2 ? tanh(d, x) : sigmoid(d, x), d, sum);
    }
  }
  for (int64_t r = 0; r < count; ++r) {
    const CellRow<T>& row = rows[r];
    const auto gate = [&](int g) HWY_ATTR { return hn::Load(d, sums + r * stride + g * lanes); };
    V h, extra;
    if constexpr (lstm) {
      extra = hn::MulAdd(gate(1), hn::Load(d, row.c + at.j), hn::Mul(gate(0), gate(2)));
      hn::Store(extra, d, row.c + at.j);
      h = hn::Mul(gate(3), tanh(d, extra));
    } else if constexpr (gru) {
      extra = tanh(d, hn::MulAdd(gate(0), gate(2), at.load(d, row.projected, 2)));
      h = hn::MulAdd(gate(1), hn::Sub(hn::Load(d, row.h + at.j), extra), extra);
    } else {
      const V x = hn::Add(at.load(d, row.projected), gate(0));
      h = kind == RecurrentKind::rnn_tanh ? tanh(d, x) : hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);  // NaN stays
    }
    hn::Store(h, d, row.next + at.j);
    at.store(d, h, row.output);
    if (!row.kept) continue;
    at.store(d, hn::Load(d, row.h + at.j), row.h_before);
    if constexpr (lstm || gru) {
      constexpr int gates = fovea::gates(kind);
      for (int g = 0; g < gates; ++g) at.store(d, gate(g), row.kept, g);
      at.store(d, extra, row.kept, gates);
    } else {
      at.store(d, h, row.kept);
    }
  }
}

template <class T>
struct CellGradient {
  const T *kept, *h_before;
  const T* c_before;  // or null for zeros
  const T* doutput;
};
template <class T>
struct CellGradientOutput {
  T* dh;  // in: with respect to the state; out: what of it passes by the gates to the state before
  T* dc;
  T* dprojected;
  T* dnew;          // gru
  T* hidden_gates;  // gradient of W_hh h + b_hh, a row of all gates
  T* dbias;         // adds to this, a row of `bias_width` per gate
  int64_t bias_width;
};

template <RecurrentKind kind, class D, class C, class T>
HWY_INLINE void cell_backward(D d, C at, const CellGradient<T>& in, const CellGradientOutput<T>& out) {
  using V = hn::Vec<D>;
  const V one = hn::Set(d, static_cast<T>(1));
  const V dh = hn::Add(hn::Load(d, out.dh), at.load(d, in.doutput));
  const auto gate = [&](int index, V gradient) HWY_ATTR {
    at.store(d, gradient, out.hidden_gates, index);
    T* bias = out.dbias + index * out.bias_width;
    hn::StoreU(hn::Add(hn::LoadU(d, bias), gradient), d, bias);
  };
  if constexpr (kind == RecurrentKind::gru) {
    const V r = at.load(d, in.kept, 0), z = at.load(d, in.kept, 1), n = at.load(d, in.kept, 3);
    const V before = at.load(d, in.h_before);
    const V dz = hn::Mul(hn::Mul(dh, hn::Sub(before, n)), hn::Mul(z, hn::Sub(one, z)));
    const V dn = hn::Mul(hn::Mul(dh, hn::Sub(one, z)), hn::NegMulAdd(n, n, one));
    const V dr = hn::Mul(hn::Mul(dn, at.load(d, in.kept, 2)), hn::Mul(r, hn::Sub(one, r)));
    const V dnew = hn::Mul(dn, r);
    at.store(d, dr, out.dprojected, 0);
    at.store(d, dz, out.dprojected, 1);
    at.store(d, dn, out.dprojected, 2);
    at.store(d, dnew, out.dnew);
    gate(0, dr);
    gate(1, dz);
    gate(2, dnew);
    hn::Store(hn::Mul(dh, z), d, out.dh);
  } else if constexpr (kind == RecurrentKind::lstm) {
    const V i = at.load(d, in.kept, 0), f = at.load(d, in.kept, 1), g = at.load(d, in.kept, 2),
            o = at.load(d, in.kept, 3), c = tanh(d, at.load(d, in.kept, 4));
    const V before = in.c_before ? at.load(d, in.c_before) : hn::Zero(d);
    const V dc = hn::MulAdd(hn::Mul(dh, o), hn::NegMulAdd(c, c, one), hn::Load(d, out.dc));
    const V di = hn::Mul(hn::Mul(dc, g), hn::Mul(i, hn::Sub(one, i)));
    const V df = hn::Mul(hn::Mul(dc, before), hn::Mul(f, hn::Sub(one, f)));
    const V dg = hn::Mul(hn::Mul(dc, i), hn::NegMulAdd(g, g, one));
    const V doo = hn::Mul(hn::Mul(dh, c), hn::Mul(o, hn::Sub(one, o)));
    const V all[] = {di, df, dg, doo};
    for (int index = 0; index < 4; ++index) {
      at.store(d, all[index], out.dprojected, index);
      gate(index, all[index]);
    }
    hn::Store(hn::Mul(dc, f), d, out.dc);
    hn::Store(hn::Zero(d), d, out.dh);
  } else {
    const V h = at.load(d, in.kept);
    const V dx = kind == RecurrentKind::rnn_tanh ? hn::Mul(dh, hn::NegMulAdd(h, h, one))
                                                 : hn::IfThenElseZero(hn::Gt(h, hn::Zero(d)), dh);
    at.store(d, dx, out.dprojected);
    gate(0, dx);
    hn::Store(hn::Zero(d), d, out.dh);
  }
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
