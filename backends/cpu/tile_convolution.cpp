#include "fovea/backends/cpu/tile_convolution.h"

#include <algorithm>
#include <atomic>

#include "fovea/backends/cpu/bf16_parts.h"
#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/convolution_products.h"
#include "fovea/backends/cpu/map_copy.h"
#include "fovea/backends/cpu/picture_layout.h"
#include "fovea/backends/cpu/position_vectors.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/table_product.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/round_up.h"

// Sums over channels: a picture is laid out by position, 32 channels of a part in a row of 64 bytes, so that what a tap reads
// at 16 positions is a tile of rows that lie one behind the other; weights are tiles of columns. Word q of a row holds the
// channels q and q + 16. Sums over positions (the gradient of the weights): a picture is laid out by channel, so that what a
// tap reads of 16 channels at 32 positions is a tile of rows that lie a plane apart; the gradients of the results are tiles of
// columns, pairs of positions that are neighbours.
namespace fovea::cpu {

#ifdef FOVEA_HAS_BF16
namespace {

using matrix_tiles::deep, matrix_tiles::first_lanes, matrix_tiles::side, matrix_tiles::tile_words;

constexpr int64_t bytes_of_row = 64, slack = 2 * deep;  // positions behind a picture that tiles read, or vectors write
constexpr int64_t most_picture = int64_t{1} << 19;      // bytes that are laid out at a time
constexpr int64_t most_channels = 128,
                  most_positions = 1024;  // that are summed at a time for the gradient of the weights

template <int parts>
class TileConvolution : PictureConvolution {
 public:
  explicit TileConvolution(const ConvolutionCall& call) : PictureConvolution(call) {
    // Rows of a block lie evenly apart.
    for (Pictures* of : {&x_, &y_}) {
      if (of->height > 1) of->count = call.x.shape[0], of->rows = of->height;
    }
  }

  void output() const {
    correlate(PictureLayout(kernel_, steps_, x_.width, y_.width), x_, in_, y_, out_,
              {in_ * taps(), taps(), 1, out_ * in_ * taps(), 0}, bias_);
  }
  // The same of y, with the kernel turned around.
  void input() const {
    correlate(PictureLayout(kernel_, turned_steps(), y_.width, x_.width), y_, out_, x_, in_,
              {taps(), in_ * taps(), -1, out_ * in_ * taps(), taps() - 1}, nullptr);
  }

  void weight() const {
    const PictureLayout layout(kernel_, steps_, x_.width, y_.width);
    const RowBlocks blocks(y_, std::clamp<int64_t>(most_positions / layout.pitch, 1, y_.rows));
    const int64_t channels = std::min(most_channels, in_), outputs = std::min(most_channels, out_);
    const int64_t channel_blocks = divide_up(in_, channels), output_blocks = divide_up(out_, outputs);
    const PositionVectors x_vectors(x_, layout.rows_read(blocks.rows), layout.pitch),
        y_vectors(y_, blocks.rows, layout.pitch);
    // Segments of the positions, whose sums are added in order: as many as are worth adding.
    const int64_t positions = y_.count * y_.rows * y_.width;
    const int64_t wanted = std::clamp<int64_t>(divide_up(16, groups_ * channel_blocks * output_blocks), 1,
                                               std::clamp<int64_t>(positions / most_positions, 1, blocks.all));
    const int64_t per_segment = divide_up(blocks.all, wanted), segments = divide_up(blocks.all, per_segment);
    const int64_t width = round_up(out_, side), depth = round_up(in_, side) * taps();
    const Scratch<float> sums(segments * groups_ * depth * width);
    // Rows of tiles lie an odd number of lines of the cache apart.
    const int64_t plane = round_up(layout.before() + layout.plane(blocks.rows) + slack, 2 * deep) + deep;
    const int64_t most_steps = divide_up(y_vectors.count(blocks.rows), int64_t{2});
    const int64_t at_once = std::clamp<int64_t>(most_positions / (most_steps * deep), 1, per_segment);
    const int64_t picture = parts * round_up(channels, side) * plane;  // numbers of a block
    const int64_t panel_words = at_once * most_steps * parts * tile_words;
    const int64_t work = channels * outputs * taps() * per_segment * blocks.rows * y_.width;
    parallel_for(
        groups_ * channel_blocks * output_blocks * segments, items_per_chunk(work), [&](int64_t begin, int64_t end) {
          auto* pictures = reinterpret_cast<uint16_t*>(thread_room<PackedPart::pictures>(at_once * picture / 2));
          const Scratch<uint32_t> panels(divide_up(outputs, side) * panel_words);
          const Scratch<int64_t> offsets(at_once * most_steps);
          uint32_t marked = 0;
          matrix_tiles::shape();
          for (int64_t item = begin; item < end && !marked; ++item) {
            const int64_t o = item % output_blocks * outputs,
                          channel = item / output_blocks % channel_blocks * channels;
            const int64_t group = item / (output_blocks * channel_blocks) % groups_,
                          segment = item / (output_blocks * channel_blocks * groups_);
            const int64_t n = std::min(outputs, out_ - o), m = std::min(channels, in_ - channel);
            float* to = sums.data() + ((segment * groups_ + group) * depth + channel * taps()) * width + o;
            const int64_t end_of_segment = std::min(blocks.all, (segment + 1) * per_segment);
            for (int64_t i = segment * per_segment; i < end_of_segment; i += at_once) {
              int64_t steps = 0;
              for (int64_t block = i; block < std::min(i + at_once, end_of_segment); ++block) {
                const int64_t image = blocks.image(block), first = blocks.first(block), rows = blocks.count(block, y_);
                const int64_t here = divide_up(y_vectors.count(rows), int64_t{2});
                uint16_t* laid_out = pictures + (block - i) * picture;
                lay_out_channels(layout, x_vectors, image, group * in_ + channel, m, first, rows, plane, laid_out,
                                 marked);
                const float* y = y_.row(image, group * out_ + o, first);
                for (int64_t strip = 0; strip < n; strip += side) {
                  pack_positions(y_vectors, y + strip * y_.height * y_.width, std::min(side, n - strip), rows, here,
                                 panels.data() + strip / side * panel_words + steps * parts * tile_words, marked);
                }
                for (int64_t step = 0; step < here; ++step)
                  offsets[steps++] = ((block - i) * picture + step * deep) * static_cast<int64_t>(sizeof(uint16_t));
              }
              multiply_weight(layout, reinterpret_cast<const char*>(pictures), plane, channels, offsets.data(), steps,
                              panels.data(), panel_words, m, n, width, i > segment * per_segment, to);
            }
          }
          matrix_tiles::release();
          if (marked) marked_.store(true, std::memory_order_relaxed);
        });
    if (is_valid()) add_and_turn(sums.data(), segments, depth, width);
  }

  bool is_valid() const { return !marked_.load(std::memory_order_relaxed); }

 private:
  // Where the weight of a line (a result's channel), a channel, a tap and a group stands, from `start` on.
  struct WeightSteps {
    int64_t line, channel, tap, group, start;
  };

  int64_t taps() const { return kernel_[0] * kernel_[1]; }
  // Where each tap reads, from where a picture is laid out.
  static int64_t tap_position(const PictureLayout& layout, int64_t tap) {
    return layout.before() + tap / layout.kernel[1] * layout.dilation[0] * layout.pitch +
           tap % layout.kernel[1] * layout.dilation[1] - layout.padding[1];
  }

  // Columns of m lines for sums over n channels: [groups][lines / 16][n / 32][taps].
  Scratch<uint32_t> packed_weight(int64_t m, int64_t n, const WeightSteps& at) const {
    const int64_t strips = divide_up(m, side), steps = divide_up(n, deep);
    Scratch<uint32_t> packed(groups_ * strips * steps * taps() * parts * tile_words);
    parallel_for(groups_ * strips * steps, items_per_chunk(side * deep * taps() * 16), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t channel = item % steps * deep, line = item / steps % strips * side,
                      group = item / (steps * strips);
        pack_taps(weight_ + at.start + group * at.group + line * at.line + channel * at.channel,
                  std::min(side, m - line), n - channel, at, packed.data() + item * taps() * parts * tile_words);
      }
    });
    return packed;
  }
  FOVEA_BF16 void pack_taps(const float* from, int64_t lines, int64_t channels, const WeightSteps& at,
                            uint32_t* to) const {
    alignas(64) uint32_t turned[parts * tile_words] = {};
    uint32_t marked = 0;
    const __mmask16 low = first_lanes(channels), high = first_lanes(channels - side);
    const __m512i each_channel =
        _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                           _mm512_set1_epi32(static_cast<int>(at.channel)));
    for (int64_t tap = 0; tap < taps(); ++tap, from += at.tap, to += parts * tile_words) {
      for (int64_t i = 0; i < lines; ++i) {
        const float* line = from + i * at.line;
        const __m512 zero = _mm512_setzero_ps();
        const __m512 first = _mm512_mask_i32gather_ps(zero, low, each_channel, line, 4);
        const __m512 second = _mm512_mask_i32gather_ps(zero, high, each_channel, line + side * at.channel, 4);
        matrix_tiles::store_words<parts>(first, second, turned + i * side, tile_words, marked);
      }
      for (int part = 0; part < parts; ++part)
        transpose_square(turned + part * tile_words, side, to + part * tile_words, side);
    }
    if (marked) marked_.store(true, std::memory_order_relaxed);
  }

  // `to` with m channels a group from `from` with n.
  void correlate(const PictureLayout& layout, const Pictures& from, int64_t n, const Pictures& to, int64_t m,
                 const WeightSteps& weight_steps, const float* bias) const {
    const int64_t channel_steps = divide_up(n, deep), steps = channel_steps * taps(), threads = num_threads();
    const int64_t panel = steps * parts * tile_words, strips = divide_up(m, side);
    const Scratch<uint32_t> panels = packed_weight(m, n, weight_steps);
    if (!is_valid()) return;
    // As many rows at a time as a cache holds, and enough blocks for several threads as long as each has positions for several
    // tiles.
    const int64_t row_bytes = channel_steps * parts * layout.pitch * bytes_of_row;
    const int64_t for_threads =
        std::max(divide_up(to.rows * to.count * groups_, 4 * threads), divide_up(int64_t{256}, layout.pitch));
    const RowBlocks blocks(to, std::clamp<int64_t>(std::min(most_picture / row_bytes, for_threads), 1, to.rows));
    const int64_t positions = layout.before() + layout.plane(blocks.rows) + slack;
    const int64_t picture_bytes = channel_steps * parts * positions * bytes_of_row;
    // Blocks that go through the weights together, where a cache does not hold these.
    const int64_t together =
        strips * panel * 4 <= most_picture
            ? 1
            : std::clamp<int64_t>(std::min(most_picture / picture_bytes, blocks.all / (2 * threads)), 1, blocks.all);
    const int64_t groups_of_blocks = divide_up(blocks.all, together);
    // Where these are few, threads share their channels; each lays the picture out for itself.
    const int64_t wanted =
        std::clamp<int64_t>(divide_up(4 * threads, groups_of_blocks * groups_), 1, divide_up(m, 2 * side));
    const int64_t lines = round_up(divide_up(m, wanted), 2 * side), shares = divide_up(m, lines);
    const PositionVectors from_vectors(from, layout.rows_read(blocks.rows), layout.pitch),
        to_vectors(to, blocks.rows, layout.pitch);
    const Scratch<int64_t> offsets(steps);
    for (int64_t i = 0; i < steps; ++i)
      offsets[i] = (i / taps() * parts * positions + tap_position(layout, i % taps())) * bytes_of_row;
    const int64_t work = lines * n * taps() * blocks.rows * to.width * together;
    parallel_for(groups_of_blocks * groups_ * shares, items_per_chunk(work / 4), [&](int64_t begin, int64_t end) {
      char* pictures = reinterpret_cast<char*>(thread_room<PackedPart::pictures>(together * picture_bytes / 4));
      uint32_t marked = 0;
      matrix_tiles::shape();
      for (int64_t item = begin; item < end && !marked; ++item) {
        const int64_t group = item / shares % groups_, first_line = item % shares * lines;
        const int64_t first = item / shares / groups_ * together, last = std::min(first + together, blocks.all);
        for (int64_t i = first; i < last && (item == begin || item % shares == 0); ++i) {
          lay_out_positions(layout, from_vectors, from, blocks.image(i), group * n, n, blocks.first(i),
                            blocks.count(i, to), positions,
                            reinterpret_cast<uint32_t*>(pictures + (i - first) * picture_bytes), marked);
        }
        for (int64_t line = first_line; line < std::min(first_line + lines, m); line += 2 * side) {
          const uint32_t* columns = panels.data() + (group * strips + line / side) * panel;
          for (int64_t i = first; i < last; ++i) {
            float* y = to.row(blocks.image(i), group * m + line, blocks.first(i));
            multiply_positions({pictures + (i - first) * picture_bytes, bytes_of_row, side * bytes_of_row,
                                positions * bytes_of_row, offsets.data(), steps, columns, panel},
                               to_vectors, blocks.count(i, to), std::min(2 * side, m - line),
                               bias ? bias + group * m + line : nullptr, y, to.height * to.width);
          }
        }
      }
      matrix_tiles::release();
      if (marked) marked_.store(true, std::memory_order_relaxed);
    });
  }

  // What some rows of results read of n channels: [n / 32][parts][positions], a row of 32 channels each.
  FOVEA_BF16 static void lay_out_positions(const PictureLayout& layout, const PositionVectors& vectors,
                                           const Pictures& from, int64_t image, int64_t channel, int64_t n,
                                           int64_t first, int64_t rows, int64_t positions, uint32_t* to,
                                           uint32_t& marked) {
    alignas(64) uint32_t turned[parts * tile_words];
    const int64_t top = first - layout.padding[0], read = layout.rows_read(rows);
    const int64_t low = std::clamp<int64_t>(-top, 0, read), high = std::clamp(from.rows - top, low, read);
    const int64_t begins = layout.before() + low * layout.pitch,
                  ends = begins + (high > low ? vectors.positions(high - low) : 0);
    const int64_t all = layout.before() + read * layout.pitch, plane = from.height * from.width;
    for (int64_t c = 0; c < n; c += deep, to += parts * positions * side) {
      for (int64_t v = 0; v < (high > low ? vectors.count(high - low) : 0); ++v) {
        const float* x = from.row(image, channel + c, top + low);
        for (int64_t q = 0; q < side; ++q) {
          const __m512 a = c + q < n ? vectors.load(x + q * plane, v, high - low) : _mm512_setzero_ps();
          const __m512 b = c + q + side < n ? vectors.load(x + (q + side) * plane, v, high - low) : _mm512_setzero_ps();
          matrix_tiles::store_words<parts>(a, b, turned + q * side, tile_words, marked);
        }
        for (int part = 0; part < parts; ++part)
          transpose_square(turned + part * tile_words, side, to + (part * positions + begins + v * side) * side, side);
      }
      for (int part = 0; part < parts; ++part) {
        uint32_t* of_part = to + part * positions * side;
        std::fill_n(of_part, begins * side, 0);
        std::fill(of_part + ends * side, of_part + all * side, 0);
      }
    }
  }

  // The results at all positions of some rows, up to 32 channels `plane` apart.
  FOVEA_BF16 static void multiply_positions(TableProduct product, const PositionVectors& vectors, int64_t rows,
                                            int64_t channels, const float* bias, float* y, int64_t plane) {
    alignas(64) float edge[2 * side * 2 * side], turned[tile_words];
    const int64_t positions = vectors.positions(rows);
    for (int64_t t = 0; t < positions; t += 2 * side, product.rows += 2 * side * bytes_of_row) {
      multiply_by_table<parts>(positions - t, channels, product, {nullptr, 0}, edge, 2 * side);
      for (int64_t v = 0; v < std::min<int64_t>(2, divide_up(positions - t, side)); ++v) {
        for (int64_t o = 0; o < channels; o += side) {
          transpose_square(reinterpret_cast<const uint32_t*>(edge + v * side * 2 * side + o), 2 * side,
                           reinterpret_cast<uint32_t*>(turned), side);
          for (int64_t i = 0; i < std::min(side, channels - o); ++i) {
            const __m512 sum = _mm512_load_ps(turned + i * side);
            vectors.store(bias ? _mm512_add_ps(sum, _mm512_set1_ps(bias[o + i])) : sum, y + (o + i) * plane,
                          t / side + v, rows);
          }
        }
      }
    }
  }

  // What some rows of results read of m channels: [parts][m][plane].
  FOVEA_BF16 void lay_out_channels(const PictureLayout& layout, const PositionVectors& vectors, int64_t image,
                                   int64_t channel, int64_t m, int64_t first, int64_t rows, int64_t plane, uint16_t* to,
                                   uint32_t& marked) const {
    const int64_t top = first - layout.padding[0], read = layout.rows_read(rows);
    const int64_t low = std::clamp<int64_t>(-top, 0, read), high = std::clamp(x_.rows - top, low, read);
    const int64_t begins = layout.before() + low * layout.pitch,
                  ends = begins + (high > low ? vectors.positions(high - low) : 0);
    const int64_t distance = round_up(std::min(most_channels, in_), side) * plane;
    const int64_t count = high > low ? vectors.count(high - low) : 0;
    for (int64_t c = 0; c < m; ++c, to += plane) {
      for (int part = 0; part < parts; ++part) std::fill_n(to + part * distance, begins, 0);
      const float* x = x_.row(image, channel + c, top + low);
      for (int64_t v = 0; v < count; v += 2) {
        const __m512 second = v + 1 < count ? vectors.load(x, v + 1, high - low) : _mm512_setzero_ps();
        matrix_tiles::store_numbers<parts>(vectors.load(x, v, high - low), second, to + begins + v * side, distance,
                                           marked);
      }
      for (int part = 0; part < parts; ++part)
        std::fill(to + part * distance + ends, to + part * distance + layout.before() + layout.plane(rows) + slack, 0);
    }
  }

  // Columns of up to 16 channels of y, zeros between its rows: [steps][parts], pairs of positions.
  FOVEA_BF16 void pack_positions(const PositionVectors& vectors, const float* y, int64_t channels, int64_t rows,
                                 int64_t steps, uint32_t* to, uint32_t& marked) const {
    alignas(64) uint32_t turned[parts * tile_words] = {};
    const int64_t count = vectors.count(rows);
    for (int64_t step = 0; step < steps; ++step, to += parts * tile_words) {
      for (int64_t i = 0; i < channels; ++i) {
        const float* from = y + i * y_.height * y_.width;
        const __m512 second = 2 * step + 1 < count ? vectors.load(from, 2 * step + 1, rows) : _mm512_setzero_ps();
        matrix_tiles::store_numbers<parts>(vectors.load(from, 2 * step, rows), second,
                                           reinterpret_cast<uint16_t*>(turned + i * side), 2 * tile_words, marked);
      }
      for (int part = 0; part < parts; ++part)
        transpose_square(turned + part * tile_words, side, to + part * tile_words, side);
    }
  }

  // sums [m taps, n], rows `width` apart, from pictures that are laid out by channel.
  void multiply_weight(const PictureLayout& layout, const char* pictures, int64_t plane, int64_t channels,
                       const int64_t* offsets, int64_t steps, const uint32_t* panels, int64_t panel_words, int64_t m,
                       int64_t n, int64_t width, bool adds, float* sums) const {
    constexpr int64_t bytes = sizeof(uint16_t);
    const int64_t stride = taps() * width;
    for (int64_t o = 0; o < n; o += 2 * side) {
      for (int64_t c = 0; c < m; c += 2 * side) {
        for (int64_t tap = 0; tap < taps(); ++tap) {
          float* to = sums + (c * taps() + tap) * width + o;
          multiply_by_table<parts>(
              m - c, n - o,
              {pictures + (c * plane + tap_position(layout, tap)) * bytes, plane * bytes, side * plane * bytes,
               round_up(channels, side) * plane * bytes, offsets, steps, panels + o / side * panel_words, panel_words},
              {adds ? to : nullptr, stride}, to, stride);
        }
      }
    }
  }

  mutable std::atomic<bool> marked_{false};
};

template <int parts>
bool convolves(const ConvolutionCall& call) {
  const TileConvolution<parts> convolution(call);
  compute_product(call, convolution);
  return convolution.is_valid();
}

}  // namespace

bool takes_tile_convolution(const ConvolutionCall& call) {
  const WindowSteps& s = call.steps;
  const Shape &x = call.x.shape, &weight = call.weight.shape, &y = call.y.shape;
  if (call.x.dtype != DType::f32 || bf16_unit() != Bf16Unit::tiles || vector_lanes() != side) return false;
  if (x.numel() == 0 || y.numel() == 0 || weight.numel() == 0 || s.stride[0] != 1 || s.stride[1] != 1) return false;
  const int64_t in = weight[1], out = weight[0] / call.groups, taps = weight[2] * weight[3];
  // One tap reads a picture as it is.
  if (taps == 1 || std::max(in, out) * taps >= INT32_MAX / deep) return false;
  const auto filled = [](int64_t size, int64_t unit) {
    return static_cast<double>(size) / static_cast<double>(round_up(size, unit));
  };
  const int64_t positions = y[0] * y[2] * y[3];
  if (call.product == ConvolutionCall::Product::weight) {
    // Sums over few positions are stored and turned for little. In three parts tiles gain less than where sums are over
    // channels, since both operands are packed and rows of them lie across lines of the cache: kernels of few taps and narrow
    // pictures lose.
    const double used = filled(in, side) * filled(out, side);
    if (call.bf16_operands) return used >= 0.25 && positions >= 128;
    const int64_t plane = y[2] * (x[3] + std::max<int64_t>(s.padding[1], 0));
    const double elements = static_cast<double>(y[2] * y[3]) / static_cast<double>(round_up(plane, deep));
    return used * elements >= 0.9 && positions >= 4096 && taps >= 9;
  }
  const bool forward = call.product == ConvolutionCall::Product::y;
  if (forward && !call.bf16_operands && positions < 128) return false;  // weights are packed for little
  return filled(forward ? in : out, deep) * filled(forward ? out : in, side) >= (call.bf16_operands ? 0.25 : 0.6);
}

bool tile_convolution(const ConvolutionCall& call) {
  return call.bf16_operands ? convolves<1>(call) : convolves<3>(call);
}

#else
bool takes_tile_convolution(const ConvolutionCall&) { return false; }
bool tile_convolution(const ConvolutionCall&) { return false; }
#endif

}  // namespace fovea::cpu
