#include "fovea/backends/cpu/threads.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "fovea/backends/backend.h"

namespace fovea {
namespace {

std::atomic<int>& thread_count() {
  static std::atomic<int> count{omp_get_num_procs()};
  return count;
}

thread_local bool inside_parallel = false;

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1) throw ValueError(fmt::format("set_num_threads: {} is not at least 1", threads));
  thread_count().store(threads, std::memory_order_relaxed);
}

namespace cpu::detail {

int threads_for(int64_t chunks) {
  return inside_parallel ? 1 : static_cast<int>(std::min<int64_t>(num_threads(), chunks));
}

void run_chunks(int64_t items, int64_t grain, int threads, ChunkBody call, const void* body) {
  const int64_t chunks = (items + grain - 1) / grain;
  std::exception_ptr error;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;
#pragma omp parallel num_threads(threads)
  {
    inside_parallel = true;
#pragma omp for schedule(dynamic)
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      try {
        call(body, chunk * grain, std::min(items, (chunk + 1) * grain));
      } catch (...) {
        if (!failed.test_and_set()) error = std::current_exception();
      }
    }
    inside_parallel = false;
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace cpu::detail
}  // namespace fovea
