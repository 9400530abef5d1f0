#pragma once

#include <cstdint>

namespace fovea::train {

/// What the module libfovea_mpi does for the library, which loads it under mpirun only and itself needs no MPI. Plain
/// functions, so that the module needs nothing of the library either. Those that return an int return 0 unless MPI failed.
/// An operation that was started is under way until `test` says that it is done, which also forgets it.
struct MpiFunctions {
  int (*start)(int* rank, int* size);
  int (*sum_f32)(float* values, int64_t count, void** operation);
  int (*sum_f64)(double* values, int64_t count, void** operation);
  int (*broadcast)(void* bytes, int64_t count, void** operation);
  int (*all_gather)(const void* own, int64_t count, void* all, const int* counts, const int* begins, void** operation);
  int (*test)(void* operation, int* done);
  void (*finish)();
  void (*abandon)(int status);
};

constexpr const char* mpi_functions_name = "fovea_mpi_functions";
using GetMpiFunctions = const MpiFunctions* (*)();

}  // namespace fovea::train
