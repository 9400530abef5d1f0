#include "fovea/backends/cpu/cpu_backend.h"

#include <cstring>

#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/map.h"
#include "fovea/backends/cpu/simd.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/factories.h"
#include "fovea/backends/recording.h"

namespace fovea {
namespace cpu {

std::string CpuBackend::description() const {
  static constexpr const char* units[] = {"", ", AVX512-BF16", ", AMX"};
  const int64_t best = simd_targets() & -simd_targets();
  return fmt::format("cpu: {} threads, {}{}{}", num_threads(), best == HWY_AVX3 ? "AVX-512" : hwy::TargetName(best),
                     has_tile_product() ? "" : ", OpenBLAS", units[static_cast<int>(bf16_unit())]);
}

BufferRef CpuBackend::allocate(size_t bytes) {
  if (BufferRef made = recorded_allocation(*this, bytes)) return made;
  return BufferRef(allocator_.allocate(bytes));
}

void CpuBackend::write(Buffer& buffer, size_t offset, const void* source, size_t bytes) {
  if (recorded_write(*this, buffer, offset, source, bytes)) return;
  if (bytes) std::memcpy(buffer.host() + offset, source, bytes);
}

void CpuBackend::read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) {
  refuse_recorded_read();
  if (bytes) std::memcpy(destination, buffer.host() + offset, bytes);
}

void CpuBackend::map(const MapCall& call) {
  if (!recorded(*this, &Backend::map, call)) cpu::map(call);
}
void CpuBackend::matmul(const MatmulCall& call) {
  if (!recorded(*this, &Backend::matmul, call)) cpu::matmul(call);
}
void CpuBackend::softmax(const SoftmaxCall& call) {
  if (!recorded(*this, &Backend::softmax, call)) cpu::softmax(call);
}
void CpuBackend::softmax_backward(const SoftmaxBackwardCall& call) {
  if (!recorded(*this, &Backend::softmax_backward, call)) cpu::softmax_backward(call);
}
void CpuBackend::layer_norm(const LayerNormCall& call) {
  if (!recorded(*this, &Backend::layer_norm, call)) cpu::layer_norm(call);
}
void CpuBackend::layer_norm_backward(const LayerNormBackwardCall& call) {
  if (!recorded(*this, &Backend::layer_norm_backward, call)) cpu::layer_norm_backward(call);
}
void CpuBackend::cross_entropy(const CrossEntropyCall& call) {
  if (!recorded(*this, &Backend::cross_entropy, call)) cpu::cross_entropy(call);
}
void CpuBackend::cross_entropy_backward(const CrossEntropyBackwardCall& call) {
  if (!recorded(*this, &Backend::cross_entropy_backward, call)) cpu::cross_entropy_backward(call);
}
void CpuBackend::gather(const GatherCall& call) {
  if (!recorded(*this, &Backend::gather, call)) cpu::gather(call);
}
void CpuBackend::scatter_add(const ScatterAddCall& call) {
  if (!recorded(*this, &Backend::scatter_add, call)) cpu::scatter_add(call);
}
void CpuBackend::bag(const BagCall& call) {
  if (!recorded(*this, &Backend::bag, call)) cpu::bag(call);
}
RowSparse CpuBackend::bag_backward(const BagBackwardCall& call) {
  refuse_recorded_read();  // how many rows there are is not known ahead: see each_rows
  return cpu::bag_backward(call);
}
void CpuBackend::band(const BandCall& call) {
  if (!recorded(*this, &Backend::band, call)) cpu::band(call);
}
void CpuBackend::scan(const ScanCall& call) {
  if (!recorded(*this, &Backend::scan, call)) cpu::scan(call);
}
void CpuBackend::arg_reduce(const ArgReduceCall& call) {
  if (!recorded(*this, &Backend::arg_reduce, call)) cpu::arg_reduce(call);
}
void CpuBackend::sort(const SortCall& call) {
  if (!recorded(*this, &Backend::sort, call)) cpu::sort(call);
}
void CpuBackend::recurrent(const RecurrentCalls& calls) {
  if (!recorded(*this, &Backend::recurrent, calls)) cpu::recurrent(calls);
}
void CpuBackend::recurrent_backward(const RecurrentBackwardCalls& calls) {
  if (!recorded(*this, &Backend::recurrent_backward, calls)) cpu::recurrent_backward(calls);
}
void CpuBackend::random(const RandomCall& call) {
  if (!recorded(*this, &Backend::random, call)) cpu::random(call);
}
void CpuBackend::convolution(const ConvolutionCall& call) {
  if (!recorded(*this, &Backend::convolution, call)) cpu::convolution(call);
}
void CpuBackend::pool(const PoolCall& call) {
  if (!recorded(*this, &Backend::pool, call)) cpu::pool(call);
}
void CpuBackend::pool_backward(const PoolBackwardCall& call) {
  if (!recorded(*this, &Backend::pool_backward, call)) cpu::pool_backward(call);
}
void CpuBackend::attention(const AttentionCall& call) {
  if (!recorded(*this, &Backend::attention, call)) cpu::attention(call);
}
void CpuBackend::attention_backward(const AttentionBackwardCall& call) {
  if (!recorded(*this, &Backend::attention_backward, call)) cpu::attention_backward(call);
}

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
