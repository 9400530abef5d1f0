#include <algorithm>
#include <array>
#include <limits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/index.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/row_kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

// Where the bags lie in the list of indices.
class Bags {
 public:
  Bags(const char* kernel, const View& offsets, int64_t total)
      : starts_(kernel, offsets, total + 1, "offset"), total_(total) {
    for (int64_t bag = 1; bag < starts_.size(); ++bag) {
      if (starts_[bag] < starts_[bag - 1])
        raise<IndexError>({}, "{}: offset {} at position {} is less than the one before it", kernel, starts_[bag], bag);
    }
  }
  int64_t count() const { return starts_.size(); }
  int64_t begin(int64_t bag) const { return starts_[bag]; }
  int64_t end(int64_t bag) const { return bag + 1 < count() ? starts_[bag + 1] : total_; }
  int64_t size(int64_t bag) const { return end(bag) - begin(bag); }

 private:
  DenseIndex starts_;
  int64_t total_;
};

struct Entry {
  int32_t row;
  int32_t bag;
};

// Sorts by row, stably: a counting pass per 11 bits of the greatest row. The result is in `entries`.
void sort_by_row(Scratch<Entry>& entries, int64_t count, int64_t greatest) {
  constexpr int bits = 11;
  Scratch<Entry> other(count);
  for (int shift = 0; shift < 32 && greatest >> shift; shift += bits) {
    std::array<int64_t, size_t{1} << bits> starts{};
    const auto digit = [&](const Entry& entry) {
      return static_cast<size_t>((static_cast<uint32_t>(entry.row) >> shift) & ((1u << bits) - 1));
    };
    for (int64_t i = 0; i < count; ++i) ++starts[digit(entries[i])];
    int64_t before = 0;
    for (int64_t& start : starts) before += std::exchange(start, before);
    for (int64_t i = 0; i < count; ++i) other[starts[digit(entries[i])]++] = entries[i];
    std::swap(entries, other);
  }
}

}  // namespace

void bag(const BagCall& call) {
  const DenseIndex index(call.name, call.index, call.table.shape[0]);
  const Bags bags(call.name, call.offsets, index.size());
  const int64_t width = call.table.shape[1];
  if (width == 0) return;
  const int64_t each = 1 + index.size() / std::max<int64_t>(bags.count(), 1);
  visit_floating("bag", call.table.dtype, [&]<class T>(T) {
    using V = Compute<T>;
    const T* table = call.table.data<T>();
    T* out = call.out.data<T>();
    parallel_for(bags.count(), rows_per_chunk(each * width), [&](int64_t begin, int64_t end) {
      const Scratch<V> sums(width);
      for (int64_t b = begin; b < end; ++b) {
        V* total = result_row(out + b * width, sums.data());
        const int64_t first = bags.begin(b);
        if constexpr (std::is_same_v<T, float>) {
          sum_rows({table, width, index.begin() + first, bags.size(b), rows_ahead, index.size() - first}, total);
        } else {
          std::fill_n(total, width, V(0));
          for (int64_t j = first; j < bags.end(b); ++j) {
            const T* row = table + index[j] * width;
            for (int64_t c = 0; c < width; ++c) total[c] += static_cast<V>(row[c]);
          }
        }
        if (call.mean && bags.size(b) > 1) {
          const V scale = 1 / static_cast<V>(bags.size(b));
          for (int64_t c = 0; c < width; ++c) total[c] *= scale;
        }
        store_row(total, width, out + b * width);
      }
    });
  });
}

RowSparse bag_backward(const BagBackwardCall& call) {
  const DenseIndex index("bag_backward", call.index, std::numeric_limits<int32_t>::max());
  const Bags bags("bag_backward", call.offsets, index.size());
  Scratch<Entry> entries(index.size());
  int64_t count = 0, greatest = 0;
  for (int64_t b = 0; b < bags.count(); ++b) {
    for (int64_t j = bags.begin(b); j < bags.end(b); ++j) {
      if (index[j] == call.skip) continue;
      entries[count++] = {static_cast<int32_t>(index[j]), static_cast<int32_t>(b)};
      greatest = std::max(greatest, index[j]);
    }
  }
  sort_by_row(entries, count, greatest);
  Scratch<int64_t> starts(count + 1);
  RowSparse result;
  for (int64_t i = 0; i < count; ++i) {
    if (i == 0 || entries[i].row != entries[i - 1].row) starts[result.count++] = i;
  }
  starts[result.count] = count;
  const int64_t width = call.dout.shape[1];
  Backend& backend = cpu_backend();
  result.rows = backend.allocate(static_cast<size_t>(result.count) * sizeof(int32_t));
  result.values = backend.allocate(static_cast<size_t>(result.count * width) * size_of(call.dout.dtype));
  auto* rows = reinterpret_cast<int32_t*>(result.rows->host());
  for (int64_t u = 0; u < result.count; ++u) rows[u] = entries[starts[u]].row;
  visit_floating("bag_backward", call.dout.dtype, [&]<class T>(T) {
    using V = Compute<T>;
    const T* dout = call.dout.data<T>();
    auto* values = reinterpret_cast<T*>(result.values->host());
    const int64_t each = 1 + count / std::max<int64_t>(result.count, 1);
    parallel_for(result.count, rows_per_chunk(each * width), [&](int64_t begin, int64_t end) {
      const Scratch<V> sums(width);
      for (int64_t u = begin; u < end; ++u) {
        V* total = result_row(values + u * width, sums.data());
        for (int64_t i = starts[u]; i < starts[u + 1]; ++i) {
          const int64_t b = entries[i].bag;
          const T* row = dout + b * width;
          const V scale = call.mean ? 1 / static_cast<V>(bags.size(b)) : V(1);
          if (i == starts[u]) {
            for (int64_t c = 0; c < width; ++c) total[c] = V(0) + scale * static_cast<V>(row[c]);  // no -0
          } else {
            for (int64_t c = 0; c < width; ++c) total[c] += scale * static_cast<V>(row[c]);
          }
        }
        store_row(total, width, values + u * width);
      }
    });
  });
  return result;
}

}  // namespace fovea::cpu
