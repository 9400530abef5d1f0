#pragma once

#include <algorithm>

namespace fovea::cpu {

/// Sorts a few elements stably. std::stable_sort would ask for memory.
template <class T, class Before>
void insertion_sort(T* first, T* last, Before before) {
  for (T* next = first; next != last; ++next) std::rotate(std::upper_bound(first, next, *next, before), next, next + 1);
}

}  // namespace fovea::cpu
