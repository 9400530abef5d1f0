// Where a kernel notes an index that does not exist; the first one stays until the host has reported it. `fault` is the
// address of the number of the call's place, which is also how many words lie before it.
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Place { uint number; };
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Fault {
  uint place;
  int index;
  int size;
};

// Whether `index` is in [0, size).
bool check_index(uint64_t fault, int index, int size) {
  if (uint(index) < uint(size)) return true;
  const uint number = Place(fault).number;
  Fault note = Fault(fault - uint64_t(number) * 4);
  if (note.place != 0) return false;  // most of many wrong ones: an atomic access to the host's memory takes long
  if (atomicCompSwap(note.place, 0, number) == 0) {
    note.index = index;
    note.size = size;
  }
  return false;
}
