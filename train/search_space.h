#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fovea/data/random_stream.h"
#include "fovea/train/options.h"

namespace fovea::train {

/// The values that a search may give to one option: some of them, or all numbers from `low` to `high`.
struct SearchRange {
  std::string option;
  std::vector<std::string> values = {};  // where there are some, they alone
  double low = 0;
  double high = 0;
  bool whole = false;        // numbers are whole
  bool logarithmic = false;  // uniform in their logarithm

  /// As a word of the command line.
  std::string draw(data::RandomStream& random) const;
  /// "1e-04..1e-02:log" or "gru,lstm".
  std::string describe() const;
};

/// Options and words for them.
using SearchPoint = std::vector<std::pair<std::string, std::string>>;

class SearchSpace {
 public:
  /// Ranges around the values of what usually matters: learning rate, dropout, weight decay where there is some, batch
  /// size, encoder, widths. Options that were given are left out, and values that `fits` refuses when they stand alone.
  static SearchSpace usual(const OptionTable& options, const std::function<bool(const SearchPoint&)>& fits);

  /// Adds "lr=1e-4..1e-2:log" or "encoder=gru,lstm". Throws UsageError: no such option, one that was given or that is no
  /// setting of the training, values that it does not take, an empty range.
  void add(const std::string& text, const OptionTable& options);
  /// Adds the members of a JSON object: {"lr": {"min": 1e-4, "max": 1e-2, "log": true}, "encoder": ["gru", "lstm"]};
  /// a string is what stands behind the = in `add`. Throws DataError, UsageError.
  void add_json(const std::string& text, const std::string& source, const OptionTable& options);

  const std::vector<SearchRange>& ranges() const { return ranges_; }
  /// The values of a trial: the same for the same seed and number. `attempt` tells apart what is drawn anew.
  SearchPoint draw(uint64_t seed, int64_t trial, int64_t attempt) const;
  std::string describe() const;

 private:
  void add(SearchRange range, const OptionTable& options, const std::string& what);

  std::vector<SearchRange> ranges_;
};

/// A round of successive halving: so many trials go on, each for a share of its epochs.
struct HalvingRound {
  int64_t trials;
  double share;
};

/// The rounds of successive halving (Jamieson and Talwalkar 2016): in each, 1 / factor of the trials of the one before
/// remain and learn for `factor` times as long; the last one takes all epochs. There are as many rounds as leave a trial
/// at the end and an epoch at the beginning. Throws ValueError unless trials and epochs are positive and factor at least 2.
std::vector<HalvingRound> halving_rounds(int64_t trials, int64_t factor, int64_t epochs);
/// A share of so many epochs: one at least.
int64_t epochs_of_share(double share, int64_t epochs);

}  // namespace fovea::train
