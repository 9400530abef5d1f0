#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fovea/train/search_record.h"
#include "fovea/train/training_session.h"

namespace fovea::train {

/// The `search` command of a classifier: trains it many times with options drawn from a space, tells which serve best and
/// keeps the best model. Trials differ in nothing but these options: seed and division of the data are the same.
class HyperSearch {
 public:
  HyperSearch(std::string program, MakeTask make_task);

  void declare(OptionTable& options);
  /// Returns the exit status. Throws UsageError, DataError and what the device throws; until the space is known to be
  /// sound and all input has been read nothing is written.
  int run(OptionTable& options);

 private:
  using Clock = std::chrono::steady_clock;

  /// A training run with its own variables.
  struct Trial {
    TrainingSession session;
    OptionTable options = {};
  };
  SearchSpace space_of(const OptionTable& options) const;
  std::unique_ptr<Trial> make_trial(const OptionTable& given, const SearchPoint& point) const;
  void draw_points(const OptionTable& options, const SearchSpace& space);
  Ending run_trial(const OptionTable& options, SearchRecord& record) const;
  double minutes_left() const;
  std::string record_path() const;
  std::string best_folder() const;
  /// Throws DataError where a folder that the search is to write, and would remove, is not of one before it, which had
  /// `earlier` trials.
  void check_folder(int64_t earlier) const;
  /// Removes what a search of so many trials left.
  void remove_earlier(int64_t earlier) const;
  std::vector<SearchRecord> read_records(const std::string& identity, const OptionTable& options) const;
  void write_records(const std::string& identity) const;
  /// The results of a round, best first.
  std::vector<SearchRecord> of_round(int64_t round) const;
  /// The trials that take part in it.
  std::vector<int64_t> contestants(int64_t round) const;
  void keep_if_best(const SearchRecord& record) const;
  std::string trial_line(const SearchRecord& record) const;
  void say(const std::string& text) const;  // unless --quiet
  /// Reads the data once, by the first trial, for all that hangs on it. Returns what identifies the search.
  std::string settle(const OptionTable& options, const SearchSpace& space);
  bool is_done(int64_t trial, int64_t round) const;
  /// Runs what is not done yet; how the search ended.
  Ending run_rounds(const OptionTable& options, const std::string& identity);
  int finish(const OptionTable& options, const SearchSpace& space) const;

  std::string program_;
  MakeTask make_task_;
  Trial declared_;  // whose variables the command line sets
  int64_t trials_ = 20;
  std::string method_ = "random";
  int64_t factor_ = 3;
  std::string space_;
  std::vector<std::string> vary_;

  std::string out_;
  double max_minutes_ = 0;  // of the whole search
  bool quiet_ = false;
  Clock::time_point start_;
  std::string metric_;
  std::vector<SearchPoint> points_;  // of the trials
  std::vector<int64_t> epochs_;      // of each, in full
  std::vector<SearchRecord> records_;
  std::vector<HalvingRound> rounds_;
};

}  // namespace fovea::train
