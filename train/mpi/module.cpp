// The one source that knows MPI: see functions.h.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include "functions.h"

#include <mpi.h>

namespace fovea::train {
namespace {

int start(int* rank, int* size) {
  int threads = 0;
  if (const int failed = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &threads)) return failed;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  return MPI_Comm_size(MPI_COMM_WORLD, size);
}

/// Keeps the request of an operation that `begin` starts.
template <class Begin>
int started(void** operation, Begin begin) {
  auto* request = new MPI_Request;
  const int failed = begin(request);
  if (failed) {
    delete request;
  } else {
    *operation = request;
  }
  return failed;
}

int sum(void* values, int64_t count, MPI_Datatype type, void** operation) {
  return started(operation, [&](MPI_Request* request) {
    return MPI_Iallreduce(MPI_IN_PLACE, values, static_cast<int>(count), type, MPI_SUM, MPI_COMM_WORLD, request);
  });
}
int sum_f32(float* values, int64_t count, void** operation) { return sum(values, count, MPI_FLOAT, operation); }
int sum_f64(double* values, int64_t count, void** operation) { return sum(values, count, MPI_DOUBLE, operation); }

int broadcast(void* bytes, int64_t count, void** operation) {
  return started(operation, [&](MPI_Request* request) {
    return MPI_Ibcast(bytes, static_cast<int>(count), MPI_BYTE, 0, MPI_COMM_WORLD, request);
  });
}

int all_gather(const void* own, int64_t count, void* all, const int* counts, const int* begins, void** operation) {
  return started(operation, [&](MPI_Request* request) {
    return MPI_Iallgatherv(own, static_cast<int>(count), MPI_BYTE, all, counts, begins, MPI_BYTE, MPI_COMM_WORLD,
                           request);
  });
}

int test(void* operation, int* done) {
  auto* request = static_cast<MPI_Request*>(operation);
  const int failed = MPI_Test(request, done, MPI_STATUS_IGNORE);
  if (!failed && *done) delete request;
  return failed;
}

void finish() { MPI_Finalize(); }
void abandon(int status) { MPI_Abort(MPI_COMM_WORLD, status); }

constexpr MpiFunctions functions{start, sum_f32, sum_f64, broadcast, all_gather, test, finish, abandon};

}  // namespace
}  // namespace fovea::train

extern "C" __attribute__((visibility("default"))) const fovea::train::MpiFunctions* fovea_mpi_functions() {
  return &fovea::train::functions;
}
