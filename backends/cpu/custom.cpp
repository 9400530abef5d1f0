#include "fovea/backends/custom.h"

#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/factories.h"

namespace fovea {

void run_on_cpu(const CustomCall& call) {
  cpu::parallel_for(call.items, call.kernel.grain,
                    [&](int64_t begin, int64_t end) { call.kernel.cpu(call, begin, end); });
}

}  // namespace fovea
