#include <algorithm>
#include <bit>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Scan, arg-reduce and sort: kernels whose result depends on the order of a row.
namespace fovea::vulkan {
namespace {

constexpr int64_t block = 1024;  // pairs sorted in shared memory

int64_t rows_of(const View& view) { return view.numel() / view.shape.back(); }

/// Scans blocks of rows, or where there is no `out` leaves their totals; see scan.comp.
void scan_blocks(Engine& engine, const ScanCall& call, const View* out, const View* totals, int64_t length) {
  const int64_t rows = rows_of(call.x), n = call.x.shape.back();
  struct {
    uint64_t x, out, totals;
    uint32_t rows, n, block, reverse, exclusive, unused;
  } push{address_of(call.x), address_of(out), address_of(totals), word(rows), word(n),
         word(length),       call.reverse,    call.exclusive,     0};
  engine.launch({.code = shaders::scan,
                 .constants = {engine.row_threads(), type_constant("scan", call.x)},
                 .name = "scan",
                 .shape = call.x.shape,
                 .reads = {&call.x, out ? totals : nullptr},
                 .writes = {out ? out : totals},
                 .groups = static_cast<uint64_t>(rows * divide_up(n, length)),
                 .work = 16.0 * static_cast<double>(call.x.numel())},
                push);
}

}  // namespace

void scan(Engine& engine, const ScanCall& call) {
  type_constant("scan", call.x);
  if (call.x.numel() == 0) return;
  constexpr int64_t long_row = 4096, scan_block = 1024;
  const int64_t rows = rows_of(call.x), n = call.x.shape.back();
  // A workgroup a row, but for long rows that leave a GPU idle: these are read twice.
  if (engine.physical().is_cpu() || n <= long_row || rows * 4 >= engine.busy_groups())
    return scan_blocks(engine, call, &call.out, nullptr, n);
  BufferRef memory;
  const View totals = engine.scratch(memory, call.x.dtype == i32 ? i32 : f32, {rows, divide_up(n, scan_block)});
  scan_blocks(engine, call, nullptr, &totals, scan_block);
  scan(engine, {.x = totals, .out = totals, .reverse = false, .exclusive = true});
  scan_blocks(engine, call, &call.out, &totals, scan_block);
}

void arg_reduce(Engine& engine, const ArgReduceCall& call) {
  const uint32_t type = type_constant("arg_reduce", call.x);
  if (call.x.numel() == 0) return;
  const int64_t rows = rows_of(call.x);
  struct {
    uint64_t x, out;
    uint32_t rows, n, minimum, unused;
  } push{address_of(call.x), address_of(call.out), word(rows), word(call.x.shape.back()), call.minimum, 0};
  engine.launch({.code = shaders::arg_reduce,
                 .constants = {engine.row_threads(), type},
                 .name = "arg_reduce",
                 .shape = call.x.shape,
                 .reads = {&call.x},
                 .writes = {&call.out},
                 .groups = static_cast<uint64_t>(rows),
                 .work = 4.0 * static_cast<double>(call.x.numel())},
                push);
}

void sort(Engine& engine, const SortCall& call) {
  const uint32_t type = type_constant("sort", call.x);
  if (call.x.numel() == 0 || call.values.numel() == 0) return;
  const int64_t n = call.x.shape.back(), rows = rows_of(call.x);
  if (rows * n > int64_t{1} << 31) raise_here<DeviceError>("sort: more than 2^31 elements in one call");
  struct {
    uint64_t x, values, indices, from, to;
    uint32_t rows, n, k, descending, run, last;
  } push{address_of(call.x),
         address_of(call.values),
         address_of(call.indices),
         0,
         0,
         word(rows),
         word(n),
         word(call.values.shape.back()),
         call.descending,
         0,
         0};
  const int64_t run = std::min<int64_t>(block, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(n))));
  const bool merges = n > run;
  // Pairs of key and position, in turn here and there.
  BufferRef memory[2];
  View pairs[2];
  for (int i = 0; merges && i < 2; ++i) pairs[i] = engine.scratch(memory[i], i32, {rows, n, 2});
  const auto pass = [&](const ShaderCode& code, const View* from, const View* to, int64_t length, bool last,
                        uint64_t groups) {
    push.from = address_of(from);
    push.to = address_of(to);
    push.run = word(length);
    push.last = last;
    engine.launch({.code = code,
                   .constants = {engine.row_threads(), type, word(block)},
                   .name = "sort",
                   .shape = call.x.shape,
                   .reads = {&call.x, from},
                   .writes = {to, last ? &call.values : nullptr, last ? &call.indices : nullptr},
                   .groups = groups,
                   .work = 64.0 * static_cast<double>(call.x.numel())},
                  push);
  };
  const int64_t runs = rows * divide_up(n, run), together = block / run;
  pass(shaders::sort_blocks, nullptr, merges ? &pairs[0] : nullptr, run, !merges,
       static_cast<uint64_t>(divide_up(runs, together)));
  int here = 0;
  for (int64_t length = run; length < n; length *= 2) {
    const bool last = 2 * length >= n;
    pass(shaders::sort_merge, &pairs[here], last ? nullptr : &pairs[1 - here], length, last,
         (static_cast<uint64_t>(rows * n) + engine.row_threads() - 1) / engine.row_threads());
    here = 1 - here;
  }
}

}  // namespace fovea::vulkan
