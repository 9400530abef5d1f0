// Where a kernel notes an index that does not exist; the first one stays until the host has reported it.
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Fault {
  uint kernel;  // its place in engine.cpp's names and 1 more
  int index;
  int size;
};

// Whether `index` is in [0, size).
bool check_index(uint64_t fault, uint kernel, int index, int size) {
  if (uint(index) < uint(size)) return true;
  Fault note = Fault(fault);
  if (atomicCompSwap(note.kernel, 0, kernel) == 0) {
    note.index = index;
    note.size = size;
  }
  return false;
}
