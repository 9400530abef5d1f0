#include "fovea/backends/cpu/blas.h"

#include <cblas.h>
#include <dlfcn.h>

#include <algorithm>

#include "fovea/backends/error.h"

namespace fovea::cpu {
namespace {

constexpr const char* library_name = "libopenblas.so.0";

struct OpenBlas {
  decltype(&cblas_sgemm) sgemm = nullptr;
  decltype(&cblas_dgemm) dgemm = nullptr;
  // Of the OpenMP that it uses; null where it was built without.
  int (*max_threads)() = nullptr;
  void (*set_threads)(int) = nullptr;
};

OpenBlas load_blas() {
  void* library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
  if (!library) raise_here<DeviceError>("cpu: this product needs OpenBLAS, which cannot be loaded: {}", dlerror());
  const auto find = []<class F>(F& function, void* where, const char* name) {
    function = reinterpret_cast<F>(dlsym(where, name));
  };
  OpenBlas blas;
  find(blas.sgemm, library, "cblas_sgemm");
  find(blas.dgemm, library, "cblas_dgemm");
  // The program's OpenMP, where it has one, takes the place of the one that OpenBLAS brings.
  for (void* where : {static_cast<void*>(RTLD_DEFAULT), library}) {
    if (blas.max_threads && blas.set_threads) break;
    find(blas.max_threads, where, "omp_get_max_threads");
    find(blas.set_threads, where, "omp_set_num_threads");
  }
  if (!blas.set_threads) blas.max_threads = nullptr;
  // A build with threads of its own asks nobody.
  int (*parallel)() = nullptr;
  void (*set_own_threads)(int) = nullptr;
  find(parallel, library, "openblas_get_parallel");
  find(set_own_threads, library, "openblas_set_num_threads");
  constexpr int own_threads = 1;  // as openblas_get_parallel() says it
  if (parallel && set_own_threads && parallel() == own_threads) set_own_threads(1);
  if (!blas.sgemm || !blas.dgemm) raise_here<DeviceError>("cpu: {} has no C interface to BLAS", library_name);
  return blas;
}

const OpenBlas& open_blas() {
  static const OpenBlas blas = load_blas();
  return blas;
}

// OpenBLAS asks OpenMP how many threads the caller may use and takes them all; a product here is one thread's work.
class OneBlasThread {
 public:
  explicit OneBlasThread(const OpenBlas& blas) : blas_(blas), saved_(blas.max_threads ? blas.max_threads() : 1) {
    if (saved_ != 1) blas_.set_threads(1);
  }
  ~OneBlasThread() {
    if (saved_ != 1) blas_.set_threads(saved_);
  }
  OneBlasThread(const OneBlasThread&) = delete;
  OneBlasThread& operator=(const OneBlasThread&) = delete;

 private:
  const OpenBlas& blas_;
  int saved_;
};

struct BlasForm {
  CBLAS_TRANSPOSE transpose;
  blasint leading;
};

template <class T>
BlasForm blas_form(int64_t rows, int64_t columns, const Matrix<T>& matrix) {
  if (is_dense(rows, columns, matrix.row, matrix.column))
    return {CblasNoTrans, static_cast<blasint>(rows <= 1 ? std::max<int64_t>(columns, 1) : matrix.row)};
  return {CblasTrans, static_cast<blasint>(columns <= 1 ? std::max<int64_t>(rows, 1) : matrix.column)};
}

template <class T, class Gemm>
void call_blas(Gemm gemm, int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t stride,
               bool accumulate) {
  const BlasForm left = blas_form(m, k, a), right = blas_form(k, n, b);
  const OneBlasThread guard(open_blas());
  gemm(CblasRowMajor, left.transpose, right.transpose, static_cast<blasint>(m), static_cast<blasint>(n),
       static_cast<blasint>(k), 1, a.data, left.leading, b.data, right.leading, accumulate ? 1 : 0, c,
       static_cast<blasint>(std::max(stride, n)));
}

}  // namespace

void blas_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate) {
  call_blas(open_blas().sgemm, m, n, k, a, b, c, stride, accumulate);
}
void blas_product(int64_t m, int64_t n, int64_t k, Matrix<double> a, Matrix<double> b, double* c, int64_t stride,
                  bool accumulate) {
  call_blas(open_blas().dgemm, m, n, k, a, b, c, stride, accumulate);
}

}  // namespace fovea::cpu
