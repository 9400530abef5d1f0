// One step of a recurrent layer in a launch of its own. A workgroup takes `across` hidden units of across * rows members
// of the batch; each of its across x across threads has one unit and `rows` members. Products with the weights go
// through shared memory in slabs of `slab`.
const uint across = 8, slab = 16;

uint unit_groups(uint hidden) { return (hidden + across - 1) / across; }
