// One step of a recurrent layer. A workgroup takes `across` hidden units of across * rows members of the batch; each of
// its across x across threads has one unit and `rows` members. Products with the weights go through shared memory in
// slabs of `slab`.
layout(constant_id = 2) const uint kind = 2;  // RecurrentKind's values
layout(constant_id = 3) const uint rows = 1;
const uint rnn_tanh = 0, rnn_relu = 1, gru = 2, lstm = 3;
const uint gates = kind == gru ? 3 : kind == lstm ? 4 : 1;
const uint reserve_width = kind == gru ? 5 : kind == lstm ? 6 : 2;
const uint across = 8, slab = 16;

uint unit_groups(uint hidden) { return (hidden + across - 1) / across; }
