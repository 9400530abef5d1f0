#include "fovea/backends/cpu/cpu_backend.h"

#include <cblas.h>

#include <cstring>
#include <memory>

#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/map.h"
#include "fovea/backends/factories.h"

namespace fovea {
namespace cpu {

std::string CpuBackend::description() const {
  return fmt::format("cpu: {} threads, OpenBLAS for {}", num_threads(), openblas_get_corename());
}

void CpuBackend::write(Buffer& buffer, size_t offset, const void* source, size_t bytes) {
  if (bytes) std::memcpy(buffer.host() + offset, source, bytes);
}

void CpuBackend::read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) {
  if (bytes) std::memcpy(destination, buffer.host() + offset, bytes);
}

void CpuBackend::map(const MapCall& call) { cpu::map(call); }
void CpuBackend::matmul(const MatmulCall& call) { cpu::matmul(call); }
void CpuBackend::softmax(const SoftmaxCall& call) { cpu::softmax(call); }
void CpuBackend::softmax_backward(const SoftmaxBackwardCall& call) { cpu::softmax_backward(call); }
void CpuBackend::layer_norm(const LayerNormCall& call) { cpu::layer_norm(call); }
void CpuBackend::layer_norm_backward(const LayerNormBackwardCall& call) { cpu::layer_norm_backward(call); }
void CpuBackend::cross_entropy(const CrossEntropyCall& call) { cpu::cross_entropy(call); }
void CpuBackend::cross_entropy_backward(const CrossEntropyBackwardCall& call) { cpu::cross_entropy_backward(call); }
void CpuBackend::gather(const GatherCall& call) { cpu::gather(call); }
void CpuBackend::scatter_add(const ScatterAddCall& call) { cpu::scatter_add(call); }
void CpuBackend::bag(const BagCall& call) { cpu::bag(call); }
RowSparse CpuBackend::bag_backward(const BagBackwardCall& call) { return cpu::bag_backward(call); }
void CpuBackend::scan(const ScanCall& call) { cpu::scan(call); }
void CpuBackend::arg_reduce(const ArgReduceCall& call) { cpu::arg_reduce(call); }
void CpuBackend::sort(const SortCall& call) { cpu::sort(call); }
void CpuBackend::recurrent(const RecurrentCall& call) { cpu::recurrent(call); }
void CpuBackend::recurrent_backward(const RecurrentBackwardCall& call) { cpu::recurrent_backward(call); }
void CpuBackend::random(const RandomCall& call) { cpu::random(call); }
void CpuBackend::convolution(const ConvolutionCall& call) { cpu::convolution(call); }
void CpuBackend::pool(const PoolCall& call) { cpu::pool(call); }
void CpuBackend::pool_backward(const PoolBackwardCall& call) { cpu::pool_backward(call); }
void CpuBackend::attention(const AttentionCall& call) { cpu::attention(call); }
void CpuBackend::attention_backward(const AttentionBackwardCall& call) { cpu::attention_backward(call); }

namespace {

// Gives the kept memory back at the end of the process.
struct Trim {
  Backend& backend;
  ~Trim() { backend.set_cache_limit(0); }
};

}  // namespace
}  // namespace cpu

Backend& cpu_backend() {
  // Never destroyed: static tensors of the user's may outlive every static object of ours.
  alignas(cpu::CpuBackend) static std::byte storage[sizeof(cpu::CpuBackend)];
  static Backend& backend = *::new (storage) cpu::CpuBackend();
  static cpu::Trim trim{backend};
  return backend;
}

}  // namespace fovea
