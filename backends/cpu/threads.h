#pragma once
#include "fovea/backends/round_up.h"

#include <cstdint>

namespace fovea::cpu {

namespace detail {

using ChunkBody = void (*)(const void* body, int64_t begin, int64_t end);

/// How many threads to work with on so many chunks: 1 inside a parallel region of the library.
int threads_for(int64_t chunks);
void run_chunks(int64_t items, int64_t grain, int threads, bool backward, ChunkBody call, const void* body);

}  // namespace detail

/// Calls body(begin, end) for [0, grain), [grain, 2 grain), ... up to `items`, on several threads where there is more
/// than one chunk. The chunks depend on `items` and `grain` alone, never on the number of threads, so a body whose
/// result depends only on its chunk gives the same bytes with any number. Inside another parallel_for it runs on the
/// calling thread. An exception of a body reaches the caller after the other chunks are through. Each thread has a
/// stretch of the chunks for itself until it is through with it, the same one for as many chunks, so that it finds in its
/// cache what it wrote there the last time; it begins at the stretch's end with `backward`.
template <class F>
void parallel_for(int64_t items, int64_t grain, F body, bool backward = false) {
  // One thread walks the chunks right here: calling others costs more than a small kernel.
  const int64_t chunks = divide_up(items, grain);
  const int threads = chunks > 1 ? detail::threads_for(chunks) : 1;
  if (threads == 1) {
    for (int64_t i = 0; i < chunks; ++i) {
      const int64_t begin = (backward ? chunks - 1 - i : i) * grain;
      body(begin, begin + grain < items ? begin + grain : items);
    }
    return;
  }
  const auto call = [](const void* erased, int64_t begin, int64_t end) {
    (*static_cast<const F*>(erased))(begin, end);
  };
  detail::run_chunks(items, grain, threads, backward, call, &body);
}

/// Whether to go backward through so many bytes: every other time if a cache does not hold them all. A pass then begins
/// with what the last one left there; going the same way again it would find nothing.
bool turns_back(int64_t bytes);

}  // namespace fovea::cpu
