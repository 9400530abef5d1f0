#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/backends/error.h"

// What speech is made of, frame by frame.
namespace fovea::data {

/// Numbers of a recording's frames: [frames, bins].
struct Frames {
  int64_t frames = 0;
  int64_t bins = 0;
  std::vector<float> values;
};

struct MelOptions {
  int64_t rate = 8000;        // samples a second
  double window = 0.025;      // seconds that a frame looks at
  double hop = 0.010;         // seconds from one frame to the next
  int64_t mels = 40;          // bands
  double low = 20;            // Hz, where the lowest band begins
  double high = 0;            // Hz, where the highest ends; 0: half the rate
  int64_t coefficients = 13;  // of mfcc
};

/// Energies in bands that are as wide as the ear's, on the scale mel(f) = 2595 log10(1 + f / 700) (O'Shaughnessy 1987).
class MelSpectrogram {
 public:
  /// Throws ValueError where an option is out of its range.
  explicit MelSpectrogram(MelOptions options, Caller caller = {});

  /// How many frames so many samples have: as many as it takes to look at all of them, at least one.
  int64_t frames(int64_t samples) const;
  int64_t fft_size() const { return fft_; }
  int64_t hop() const { return hop_; }  // samples

  /// ln(1e-6 + energy): each frame is weighted by Hann's window and transformed (Fourier), the squared magnitudes are
  /// summed up over each band by a triangle of height 1 that ends at its neighbours' middles. Silence follows the end.
  Frames log_mel(std::span<const float> samples) const;
  /// The first coefficients of the orthonormal discrete cosine transform (type 2) of log_mel (Davis and Mermelstein
  /// 1980).
  Frames mfcc(std::span<const float> samples) const;

 private:
  struct Band {
    int64_t first;  // frequency
    std::vector<float> weights;
  };

  MelOptions options_;
  int64_t window_size_, hop_, fft_;  // samples
  std::vector<float> window_;
  std::vector<Band> bands_;
  std::vector<float> cosines_;  // [coefficients, mels]
};

/// Less its mean and divided by its deviation, over all of it: loudness and microphone matter less.
void standardise(Frames& frames);

}  // namespace fovea::data
