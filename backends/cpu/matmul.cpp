#include <algorithm>
#include <optional>

#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/copy.h"
#include "fovea/backends/cpu/cpu_backend.h"
#include "fovea/backends/cpu/gemm.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/right_operand.h"
#include "fovea/backends/cpu/skinny.h"
#include "fovea/backends/cpu/split_product.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/factories.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

// The sizes of one product and how its operands step from row to row and from one to the next.
struct Folding {
  int64_t m, n, k;
  int64_t a_row, out_row;
  Shape batch;  // axes that neighbours could not be merged into
  Strides a, b, out;
};

// Takes the rows of the innermost batch axis for further rows where b repeats and a and out go on evenly.
void merge_rows(Folding& p, int64_t a_column) {
  const int inner = p.batch.rank() - 1;
  if (inner < 0 || p.b[inner] != 0) return;
  const bool evenly = p.m == 1 || (p.a[inner] == p.m * p.a_row && p.out[inner] == p.m * p.out_row);
  const int64_t row = p.m == 1 ? p.a[inner] : p.a_row;
  if (!evenly || !is_blas_layout(p.m * p.batch[inner], p.k, row, a_column)) return;
  if (p.m == 1) {
    if (p.out[inner] < p.n) return;
    p.a_row = row;
    p.out_row = p.out[inner];
  }
  p.m *= p.batch[inner];
  for (Shape* sizes : {&p.batch, &p.a, &p.b, &p.out}) sizes->erase(inner);
}

// Merges batch axes with their neighbours and into the rows.
Folding plan(const View& a, const View& b, const View& out) {
  const int last = out.rank() - 1;
  Folding p{
      out.shape[last - 1], out.shape[last], a.shape[last], a.strides[last - 1], out.strides[last - 1], {}, {}, {}, {}};
  for (int axis = 0; axis < last - 1; ++axis) {
    const int64_t size = out.shape[axis];
    if (size == 1) continue;
    const int outer = p.batch.rank() - 1;
    const auto continues = [&](const Strides& merged, const View& view) {
      return merged[outer] == view.strides[axis] * size;
    };
    if (outer >= 0 && continues(p.a, a) && continues(p.b, b) && continues(p.out, out)) {
      p.batch[outer] *= size;
      p.a[outer] = a.strides[axis];
      p.b[outer] = b.strides[axis];
      p.out[outer] = out.strides[axis];
    } else {
      p.batch.push_back(size);
      p.a.push_back(a.strides[axis]);
      p.b.push_back(b.strides[axis]);
      p.out.push_back(out.strides[axis]);
    }
  }
  merge_rows(p, a.strides[last]);
  return p;
}

// How many times as fast as one of f32 a product of bf16 is, where it has instructions of its own.
constexpr int64_t bf16_speed = 4;

// How a product is cut for threads that take a few rows at a time, each with a block of the right operand packed for itself.
// They end at about the same time then, however many others want their cores, as they do not with a piece for each. The same
// terms are added in the same order as in one piece.
struct Turns {
  bool splits;
  int64_t rows;            // few enough for threads to end together, enough for panels to be read rarely
  int64_t columns, depth;  // of a block

  Turns(int64_t m, int64_t n, int64_t k, bool bf16) : splits(!bf16 && splits_product(m, n, k)), columns(n), depth(k) {
    const int64_t tile = bf16 || splits ? 32 : 8;
    rows = std::clamp<int64_t>(m / (8 * num_threads()) / tile * tile, 32, 96);
    const int64_t panel = splits ? 32 : 48;  // a multiple of every machine's
    if (n * k <= (splits ? most_packed / 2 : most_packed)) return;
    const int64_t most = bf16 ? most_columns_bf16 : splits ? most_columns_split : most_columns_f32;
    const int64_t parts = divide_up(n, most);
    depth = depth_of_block(k, bf16 || splits);
    columns = round_up(divide_up(n, parts), panel);
    while (!splits && n % columns > 0 && n % columns <= skinny_rows)
      columns += panel;  // another kernel would take the last ones
  }
};

// Nothing where a product of so many `batches` is better cut into pieces.
std::optional<Turns> take_turns(int64_t batches, int64_t m, int64_t n, int64_t k, bool bf16) {
  const int64_t threads = detail::threads_for(m);
  if (batches != 1 || threads == 1 || m < 128 * threads || n <= skinny_rows || !(has_tile_product() || bf16)) return {};
  const Turns turns(m, n, k, bf16);
  if (m * turns.columns * turns.depth < 4 * product_grain * (bf16 ? bf16_speed : 1)) return {};
  return turns;
}

// A product of operands of type In with results of type T.
template <class T, class In>
class Product {
 public:
  explicit Product(const MatmulCall& call)
      : call_(call),
        p_(plan(call.a, call.b, call.out)),
        left_{call.a.data<In>(), p_.a_row, call.a.strides.back()},
        right_{call.b.data<In>(), call.b.strides[call.b.rank() - 2], call.b.strides.back()},
        out_(call.out.data<T>()),
        bias_(call.bias ? call.bias->data<T>() : nullptr) {}

  void run() const {
    const auto turns =
        std::is_same_v<T, double> ? std::nullopt : take_turns(p_.batch.numel(), p_.m, p_.n, p_.k, bf16());
    turns ? run_in_turns(*turns) : run_in_blocks();
  }

 private:
  bool bf16() const { return call_.bf16_operands || std::is_same_v<In, BFloat16>; }
  const T* bias_at(int64_t column) const { return bias_ ? bias_ + column : nullptr; }

  void run_in_turns(const Turns& turns) const {
    const uint64_t name = name_operands();
    const int64_t down = divide_up(p_.m, turns.rows), across = divide_up(p_.n, turns.columns);
    for (int64_t first = 0; first < p_.k; first += turns.depth) {
      const int64_t depth = std::min(turns.depth, p_.k - first);
      parallel_for(down * across, 1, [&](int64_t item, int64_t) {
        const int64_t row = item % down * turns.rows, column = item / down * turns.columns;
        const int64_t rows = std::min(turns.rows, p_.m - row), columns = std::min(turns.columns, p_.n - column);
        thread_local RightOperand<In> kept;
        kept.take(name, columns, depth, right_.at(first, column), call_.bf16_operands, turns.splits);
        T* c = out_ + row * p_.out_row + column;
        kept.multiply(rows, left_.at(row, first), c, p_.out_row, first > 0, first == 0 ? bias_at(column) : nullptr);
      });
    }
  }

  void run_in_blocks() const {
    const Blocks block = cut_product(p_.m, p_.n, p_.k, call_.out.dtype);
    const int64_t down = divide_up(p_.m, block.rows), across = divide_up(p_.n, block.columns);
    const int64_t work = std::max<int64_t>(block.rows * block.columns * std::max<int64_t>(p_.k, 1), 1);
    const int64_t grain = (bf16() ? bf16_speed : 1) * light_product_grain;
    parallel_for(p_.batch.numel() * down * across, std::max<int64_t>(grain / work, 1), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t column = item % across * block.columns, row = item / across % down * block.rows;
        multiply_block(item / (across * down), row, std::min(block.rows, p_.m - row), column,
                       std::min(block.columns, p_.n - column));
      }
    });
  }

  void multiply_block(int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns) const {
    Matrix<In> x = left_.at(row, 0), y = right_.at(0, column);
    T* c = out_ + row * p_.out_row + column;
    for (int axis = p_.batch.rank() - 1; axis >= 0; --axis) {
      const int64_t position = batch % p_.batch[axis];
      batch /= p_.batch[axis];
      x.data += position * p_.a[axis];
      y.data += position * p_.b[axis];
      c += position * p_.out[axis];
    }
    if constexpr (std::is_same_v<In, BFloat16>) {
      bf16_product(rows, columns, p_.k, x, y, c, p_.out_row, false, bias_at(column));
    } else {
      gemm_or_bf16(call_.bf16_operands, rows, columns, p_.k, x, y, c, p_.out_row, false, bias_at(column));
    }
  }

  const MatmulCall& call_;
  const Folding p_;
  const Matrix<In> left_, right_;
  T* const out_;
  const T* const bias_;
};

bool is_plain_output(const View& out) {
  const int last = out.rank() - 1;
  const int64_t m = out.shape[last - 1], n = out.shape[last];
  return (n <= 1 || out.strides[last] == 1) && (m <= 1 || out.strides[last - 1] >= n);
}

bool fits(const View& x, DType compute) {
  const int last = x.rank() - 1;
  return x.dtype == compute && is_blas_layout(x.shape[last - 1], x.shape[last], x.strides[last - 1], x.strides[last]);
}

void multiply(const MatmulCall& call, DType compute) {
  if (compute == DType::f64) return Product<double, double>(call).run();
  if (call.a.dtype == DType::bf16) return Product<float, BFloat16>(call).run();
  Product<float, float>(call).run();
}

// How f32 takes an operand: one that bf16_product() multiplies stays as it lies.
bool is_taken(const View& x, const MatmulCall& call, DType compute) {
  const bool both_bf16 = call.a.dtype == DType::bf16 && call.b.dtype == DType::bf16 && has_bf16_product();
  return both_bf16 || (call.bf16_operands && x.dtype == DType::f32) || fits(x, compute);
}

bool is_taken(const View& bias, DType compute) { return bias.dtype == compute && bias.is_contiguous(); }

// Operands that no product takes as they lie, or of a short type, are packed first; so is an output.
void multiply_packed(const MatmulCall& call, DType compute) {
  Packed a, b, bias, out;
  if (!is_taken(call.a, call, compute)) a = pack(call.a, compute);
  if (!is_taken(call.b, call, compute)) b = pack(call.b, compute);
  if (call.bias && !is_taken(*call.bias, compute)) bias = pack(*call.bias, compute);
  const bool direct = call.out.dtype == compute && is_plain_output(call.out);
  if (!direct) {
    const Shape& shape = call.out.shape;
    out.buffer = cpu_backend().allocate(static_cast<size_t>(shape.numel()) * size_of(compute));
    out.view = {out.buffer.get(), 0, compute, shape, contiguous_strides(shape)};
  }
  multiply({.a = a.buffer ? a.view : call.a,
            .b = b.buffer ? b.view : call.b,
            .out = direct ? call.out : out.view,
            .bias = bias.buffer ? &bias.view : call.bias,
            .bf16_operands = call.bf16_operands},
           compute);
  if (!direct) copy(out.view, call.out);
}

}  // namespace

bool CpuBackend::has_bf16_operands() const { return has_bf16_product(); }

void matmul(const MatmulCall& call) {
  if (call.out.numel() == 0) return;
  const DType compute = call.out.dtype == DType::f64 ? DType::f64 : DType::f32;
  const bool ready = is_taken(call.a, call, compute) && is_taken(call.b, call, compute) && call.out.dtype == compute &&
                     is_plain_output(call.out) && (!call.bias || is_taken(*call.bias, compute));
  if (ready) return multiply(call, compute);
  multiply_packed(call, compute);
}

}  // namespace fovea::cpu
