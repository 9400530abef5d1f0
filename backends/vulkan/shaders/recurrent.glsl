// The cells of recurrent layers, PyTorch's formulas:
//   rnn   h' = tanh or relu (x + u)
//   gru   r, z = sigmoid(x + u);  n = tanh(x_n + r u_n);  h' = (1 - z) n + z h
//   lstm  i, f, o = sigmoid(x + u), g = tanh(x + u);  c' = f c + i g;  h' = o tanh(c')
// with x the projected input and u = h W^T + bias. Kept for backward, by position: rnn h', h;  gru r, z, n, u_n, h;
// lstm i, f, g, o, c, h.
layout(constant_id = 2) const uint kind = 2;  // RecurrentKind's values
layout(constant_id = 3) const uint rows = 1;
const uint rnn_tanh = 0, rnn_relu = 1, gru = 2, lstm = 3;
const uint gates = kind == gru ? 3 : kind == lstm ? 4 : 1;
const uint reserve_width = kind == gru ? 5 : kind == lstm ? 6 : 2;

struct Step {
  float h, c;
  float kept[6];
};

// One unit's step from the state h, c.
Step advance(float x[4], float u[4], float h, float c) {
  Step next;
  [[unroll]] for (uint i = 0; i < 6; ++i) next.kept[i] = 0.0;
  next.c = c;
  if (kind == gru) {
    const float reset = sigmoid_(x[0] + u[0]), update = sigmoid_(x[1] + u[1]), fresh = tanh_(x[2] + reset * u[2]);
    next.h = (1.0 - update) * fresh + update * h;
    next.kept[0] = reset;
    next.kept[1] = update;
    next.kept[2] = fresh;
    next.kept[3] = u[2];
  } else if (kind == lstm) {
    const float input_ = sigmoid_(x[0] + u[0]), forget = sigmoid_(x[1] + u[1]), cell = tanh_(x[2] + u[2]);
    const float output_ = sigmoid_(x[3] + u[3]);
    next.c = forget * c + input_ * cell;
    next.h = output_ * tanh_(next.c);
    next.kept[0] = input_;
    next.kept[1] = forget;
    next.kept[2] = cell;
    next.kept[3] = output_;
    next.kept[4] = c;
  } else {
    const float sum = x[0] + u[0];
    next.h = kind == rnn_tanh ? tanh_(sum) : is_nan(sum) || sum > 0.0 ? sum : 0.0;
    next.kept[0] = next.h;
  }
  next.kept[reserve_width - 1] = h;
  return next;
}

// Where the sequence is over: nothing changes.
Step stay(float h, float c) {
  Step next;
  next.h = h;
  next.c = c;
  [[unroll]] for (uint i = 0; i < 6; ++i) next.kept[i] = 0.0;
  next.kept[reserve_width - 1] = h;
  return next;
}

struct Gradients {
  float gate[4];    // of x
  float product_n;  // of the gru's u_n; all others are those of x
  float bypass;     // what reaches the state before beside the product
  float c;
};

// From the gradients of a step's h (dh) and c (dc).
Gradients gradients_of(float kept[6], float dh, float dc) {
  Gradients d;
  d.product_n = d.bypass = d.c = 0.0;
  [[unroll]] for (uint gate = 0; gate < 4; ++gate) d.gate[gate] = 0.0;
  if (kind == gru) {
    const float reset = kept[0], update = kept[1], fresh = kept[2], u = kept[3], h = kept[4];
    const float before = dh * (1.0 - update) * (1.0 - fresh * fresh);
    d.gate[0] = before * u * reset * (1.0 - reset);
    d.gate[1] = dh * (h - fresh) * update * (1.0 - update);
    d.gate[2] = before;
    d.product_n = before * reset;
    d.bypass = dh * update;
  } else if (kind == lstm) {
    const float input_ = kept[0], forget = kept[1], cell = kept[2], output_ = kept[3], c = kept[4];
    const float squashed = tanh_(forget * c + input_ * cell);
    dc += dh * output_ * (1.0 - squashed * squashed);
    d.gate[0] = dc * cell * input_ * (1.0 - input_);
    d.gate[1] = dc * c * forget * (1.0 - forget);
    d.gate[2] = dc * input_ * (1.0 - cell * cell);
    d.gate[3] = dh * squashed * output_ * (1.0 - output_);
    d.c = dc * forget;
  } else {
    const float next = kept[0];
    d.gate[0] = kind == rnn_tanh ? dh * (1.0 - next * next) : next > 0.0 ? dh : 0.0;
  }
  return d;
}
