// The general form of gather and scatter-add: an index of `rank` axes, of which one is replaced. Strides count elements.
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Parameters {
  uint64_t aligned;  // the operand that has the index's shape
  uint64_t indexed;  // the operand that the index points into
  uint64_t index, fault;
  uint rank, axis, count, steps;  // positions that threads take; the index's size along the axis
  int bound, indexed_step;         // size and stride of `indexed` along the axis
  int sizes[8], aligned_strides[8], index_strides[8], indexed_strides[8];
};
layout(push_constant, scalar) uniform Pointer { Parameters at; } p;
