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

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

// Hidden units from j on: a whole vector, or what is left of a row of `hidden`.
template <class T>
struct Columns {
  int64_t hidden;
  int64_t j;

  template <class D>
  HWY_INLINE bool whole(D d) const {
    return hidden - j >= static_cast<int64_t>(hn::Lanes(d));
  }
  // Slot `slot` of a row of slots of `hidden` values each.
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, const T* row, int64_t slot = 0) const {
    const T* from = row + slot * hidden + j;
    if (HWY_LIKELY(whole(d))) return hn::LoadU(d, from);
    HWY_ALIGN T part[HWY_MAX_BYTES / sizeof(T)] = {};
    std::memcpy(part, from, static_cast<size_t>(hidden - j) * sizeof(T));
    return hn::Load(d, part);
  }
  template <class D>
  HWY_INLINE void store(D d, hn::Vec<D> value, T* row, int64_t slot = 0) const {
    T* to = row + slot * hidden + j;
    if (HWY_LIKELY(whole(d))) return hn::StoreU(value, d, to);
    HWY_ALIGN T part[HWY_MAX_BYTES / sizeof(T)];
    hn::Store(value, d, part);
    std::memcpy(to, part, static_cast<size_t>(hidden - j) * sizeof(T));
  }
};

template <class T>
struct CellInput {
  const T* projected;  // the position's gates
  const T* h;          // the units' own state, aligned and padded
  T* c;                // lstm: read and replaced
};
template <class T>
struct CellOutput {
  T* h;  // aligned and padded
  T* output;
  T *h_before, *kept;  // or null
};

// `sums` are the gates' products with the previous state, hidden bias included.
template <RecurrentKind kind, class D, class T>
HWY_INLINE void cell_forward(D d, const hn::Vec<D>* HWY_RESTRICT sums, Columns<T> at, const CellInput<T>& in,
                             const CellOutput<T>& out) {
  using V = hn::Vec<D>;
  const V before = hn::Load(d, in.h);
  V h;
  if constexpr (kind == RecurrentKind::gru) {
    const V r = sigmoid(d, hn::Add(at.load(d, in.projected, 0), sums[0]));
    const V z = sigmoid(d, hn::Add(at.load(d, in.projected, 1), sums[1]));
    const V n = tanh(d, hn::MulAdd(r, sums[2], at.load(d, in.projected, 2)));
    h = hn::MulAdd(z, hn::Sub(before, n), n);
    if (out.kept) {
      at.store(d, r, out.kept, 0);
      at.store(d, z, out.kept, 1);
      at.store(d, n, out.kept, 2);
      at.store(d, sums[2], out.kept, 3);
    }
  } else if constexpr (kind == RecurrentKind::lstm) {
    const V i = sigmoid(d, hn::Add(at.load(d, in.projected, 0), sums[0]));
    const V f = sigmoid(d, hn::Add(at.load(d, in.projected, 1), sums[1]));
    const V g = tanh(d, hn::Add(at.load(d, in.projected, 2), sums[2]));
    const V o = sigmoid(d, hn::Add(at.load(d, in.projected, 3), sums[3]));
    const V c = hn::MulAdd(f, hn::Load(d, in.c), hn::Mul(i, g));
    h = hn::Mul(o, tanh(d, c));
    hn::Store(c, d, in.c);
    if (out.kept) {
      at.store(d, i, out.kept, 0);
      at.store(d, f, out.kept, 1);
      at.store(d, g, out.kept, 2);
      at.store(d, o, out.kept, 3);
      at.store(d, c, out.kept, 4);
    }
  } else {
    const V x = hn::Add(at.load(d, in.projected), sums[0]);
    if constexpr (kind == RecurrentKind::rnn_tanh) {
      h = tanh(d, x);
    } else {
      h = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);  // NaN stays
    }
    if (out.kept) at.store(d, h, out.kept);
  }
  hn::Store(h, d, out.h);
  at.store(d, h, out.output);
  if (out.h_before) at.store(d, before, out.h_before);
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

template <RecurrentKind kind, class D, class T>
HWY_INLINE void cell_backward(D d, Columns<T> at, const CellGradient<T>& in, const CellGradientOutput<T>& out) {
  using V = hn::Vec<D>;
  const V one = hn::Set(d, static_cast<T>(1));
  const V dh = hn::Add(hn::Load(d, out.dh), at.load(d, in.doutput));
  const auto gate = [&](int index, V gradient) HWY_ATTR {
    at.store(d, gradient, out.hidden_gates, index);
    T* bias = out.dbias + index * out.bias_width;
    hn::StoreU(hn::Add(hn::LoadU(d, bias), gradient), d, bias);
  };
  if constexpr (kind == RecurrentKind::gru) {
    const V r = at.load(d, in.kept, 0), z = at.load(d, in.kept, 1), n = at.load(d, in.kept, 2);
    const V before = at.load(d, in.h_before);
    const V dz = hn::Mul(hn::Mul(dh, hn::Sub(before, n)), hn::Mul(z, hn::Sub(one, z)));
    const V dn = hn::Mul(hn::Mul(dh, hn::Sub(one, z)), hn::NegMulAdd(n, n, one));
    const V dr = hn::Mul(hn::Mul(dn, at.load(d, in.kept, 3)), hn::Mul(r, hn::Sub(one, r)));
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
