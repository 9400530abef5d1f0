#include "fovea/train/hyper_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/train/command_line.h"
#include "fovea/train/interrupt.h"
#include "fovea/train/json_text.h"
#include "fovea/train/model_folder.h"
#include "fovea/train/process_group.h"
#include "fovea/train/run_identity.h"
#include "fovea/train/search_report.h"
#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int64_t most_attempts = 1000;  // to draw values that go together

template <class T>
const T& value_of(const OptionTable& options, const char* name) {
  return *std::get<T*>(options.find(name)->target);
}

std::string words_of(const SearchPoint& point) {
  std::string out;
  for (const auto& [name, word] : point) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, word);
  return out;
}

/// As they are typed.
std::string flags_of(const SearchPoint& point) {
  std::string out;
  for (const auto& [name, word] : point) out += fmt::format("{}--{} {}", out.empty() ? "" : " ", name, word);
  return out;
}

std::string trial_folder(const std::string& out, int64_t trial) {
  return fs::path(out) / fmt::format("trial_{:03}", trial);
}

/// How many trials the search had that wrote this search.jsonl; 0 where there is none. Throws DataError where it is
/// something else.
int64_t trials_recorded(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return 0;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const Json identity = Json::parse(line, nullptr, false);
  const bool ours = identity.is_object() && identity.contains("program") && identity.contains("space") &&
                    identity.contains("trials") && identity["trials"].is_number_integer();
  if (!ours) data::fail(path, "there is such a file already, and no search wrote it");
  return identity["trials"].get<int64_t>();
}

bool holds_model(const std::string& folder, const std::string& program) {
  try {
    load_config(folder, program);
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace

HyperSearch::HyperSearch(std::string program, MakeTask make_task)
    : program_(std::move(program)),
      make_task_(std::move(make_task)),
      declared_{TrainingSession(program_, make_task_())} {}

void HyperSearch::declare(OptionTable& options) {
  options.group("Search");
  options.add("trials", &trials_, "sets of options to try", {.min = 1, .max = 100000, .configuration = false});
  options.add("method", &method_,
              "random: all trials in full; halving: all for a few epochs, then the best of them for more, and so on",
              {.choices = {"random", "halving"}, .configuration = false});
  options.add("factor", &factor_, "of halving: how many trials one is left of, and how much longer it then learns",
              {.min = 2, .max = 1000, .configuration = false});
  options.add(
      "vary", &vary_,
      "an option and its values, as lr=1e-4..1e-2:log, hidden=32..256 or encoder=gru,lstm; may be given several "
      "times",
      {.placeholder = "OPTION=VALUES",
       .default_text = "lr, dropout, weight-decay, batch-size, encoder and widths around their defaults",
       .repeated = true,
       .configuration = false});
  options.add("space", &space_, "the same as a JSON object: {\"lr\": {\"min\": 1e-4, \"max\": 1e-2, \"log\": true}}",
              {.placeholder = "FILE", .configuration = false});
  declared_.session.declare(options);
}

SearchSpace HyperSearch::space_of(const OptionTable& options) const {
  if (vary_.empty() && space_.empty()) {
    const auto fits = [&](const SearchPoint& point) {
      try {
        const auto trial = make_trial(options, point);
        trial->session.settle(trial->options);
        return true;
      } catch (const UsageError&) {
        return false;
      }
    };
    const auto trial = make_trial(options, {});
    trial->session.settle(trial->options);  // some defaults hang on what is given
    return SearchSpace::usual(trial->options, fits);
  }
  SearchSpace space;
  if (!space_.empty()) space.add_json(data::read_file(space_, size_t{1} << 20), space_, options);
  for (const std::string& each : vary_) space.add(each, options);
  return space;
}

std::unique_ptr<HyperSearch::Trial> HyperSearch::make_trial(const OptionTable& given, const SearchPoint& point) const {
  auto trial = std::make_unique<Trial>(Trial{TrainingSession(program_, make_task_())});
  trial->session.declare(trial->options);
  trial->options.copy_given(given);
  for (const auto& [name, word] : point) trial->options.assign(name, {word});
  return trial;
}

void HyperSearch::draw_points(const OptionTable& options, const SearchSpace& space) {
  const auto seed = static_cast<uint64_t>(value_of<int64_t>(options, "seed"));
  for (int64_t number = 1; number <= trials_; ++number) {
    for (int64_t attempt = 0;; ++attempt) {
      SearchPoint point = space.draw(seed, number, attempt);
      try {
        const auto trial = make_trial(options, point);
        trial->session.settle(trial->options);
        metric_ = trial->session.training().monitor;
        epochs_.push_back(trial->session.training().epochs);
        points_.push_back(std::move(point));
        break;
      } catch (const UsageError&) {
        // Values that do not go together are drawn anew; where none do, it is said why.
        if (attempt + 1 >= most_attempts || space.ranges().empty()) throw;
      }
    }
  }
}

std::string HyperSearch::record_path() const { return fs::path(out_) / "search.jsonl"; }

std::string HyperSearch::best_folder() const { return fs::path(out_) / "best"; }

void HyperSearch::check_folder(int64_t earlier) const {
  std::error_code error;
  for (int64_t trial = earlier + 1; trial <= trials_; ++trial) {
    const std::string folder = trial_folder(out_, trial);
    if (fs::exists(folder, error)) data::fail(folder, "is there already, and is not of an earlier search");
  }
  const std::string best = best_folder();
  if (fs::exists(best, error) && (earlier == 0 || !holds_model(best, program_))) {
    data::fail(best, "is there already, and is not the model of an earlier search");
  }
}

void HyperSearch::remove_earlier(int64_t earlier) const {
  for (int64_t trial = 1; trial <= earlier; ++trial) fs::remove_all(trial_folder(out_, trial));
  fs::remove_all(best_folder());
}

std::vector<SearchRecord> HyperSearch::read_records(const std::string& identity, const OptionTable& options) const {
  const std::string path = record_path();
  std::vector<SearchRecord> records;
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return records;
  Json earlier = Json::parse(line, nullptr, false);
  if (earlier.is_object() && earlier.contains("options") && earlier["options"].is_object()) {
    earlier["options"] = Json::parse(make_trial(options, {})->options.complete(earlier["options"].dump()));
  }
  if (earlier.dump() != identity) {
    refuse("--resume: {} is of a search with other options, other data or another space", path);
  }
  while (std::getline(file, line)) records.push_back(search_record_from_json(line));
  return records;
}

void HyperSearch::write_records(const std::string& identity) const {
  std::string text = identity + '\n';
  for (const SearchRecord& record : records_) text += to_json(record) + '\n';
  data::write_atomically(record_path(), text);
}

Ending HyperSearch::run_trial(const OptionTable& options, SearchRecord& record) const {
  const auto trial = make_trial(options, record.point);
  trial->options.assign("out", {trial_folder(out_, record.trial)});
  trial->options.assign("epochs", {std::to_string(record.epochs)});
  trial->options.assign("quiet", {"true"});
  trial->options.assign("json", {"false"});
  // Where the trial was cut; one that ended but was not recorded is made once more.
  const bool finished = finished_run(trial_folder(out_, record.trial), program_).has_value();
  trial->options.assign("resume", {finished ? "false" : "true"});
  if (max_minutes_ > 0) trial->options.assign("max-minutes", {fmt::format("{:.6f}", std::max(minutes_left(), 1e-6))});
  try {
    trial->session.run(trial->options);
  } catch (const UsageError& error) {
    record.error = error.what();  // sizes that do not fit the data, a loss that is no longer a number
    return Ending::complete;
  }
  const TrainingResult& result = trial->session.result();
  record.accuracy = result.accuracy;
  record.macro_f1 = result.macro_f1;
  record.micro_f1 = result.micro_f1;
  record.loss = result.loss;
  record.roc_auc = result.roc_auc;
  record.best_epoch = result.best_epoch;
  record.seconds = result.seconds;
  return result.ending;
}

double HyperSearch::minutes_left() const {
  return max_minutes_ - std::chrono::duration<double, std::ratio<60>>(Clock::now() - start_).count();
}

std::vector<SearchRecord> HyperSearch::of_round(int64_t round) const {
  std::vector<SearchRecord> records;
  for (const SearchRecord& record : records_) {
    if (record.round == round) records.push_back(record);
  }
  return ranked(std::move(records), metric_);
}

std::vector<int64_t> HyperSearch::contestants(int64_t round) const {
  std::vector<int64_t> numbers;
  const int64_t count = rounds_[static_cast<size_t>(round - 1)].trials;
  if (round == 1) {
    for (int64_t number = 1; number <= count; ++number) numbers.push_back(number);
    return numbers;
  }
  const std::vector<SearchRecord> before = of_round(round - 1);
  for (const SearchRecord& record : before) {
    if (record.error.empty() && static_cast<int64_t>(numbers.size()) < count) numbers.push_back(record.trial);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void HyperSearch::keep_if_best(const SearchRecord& record) const {
  const std::string folder = trial_folder(out_, record.trial), best = best_folder();
  const bool last = record.round == static_cast<int64_t>(rounds_.size());
  std::vector<SearchRecord> all = of_round(record.round);
  all.push_back(record);
  const bool leads = ranked(std::move(all), metric_).front().trial == record.trial;
  if (last && leads && record.error.empty()) {
    // Before it is recorded: a search that is killed in between does this trial once more.
    fs::remove_all(best);
    fs::rename(folder, best);
  } else {
    fs::remove_all(folder);
  }
}

std::string HyperSearch::trial_line(const SearchRecord& record) const {
  const HalvingRound& round = rounds_[static_cast<size_t>(record.round - 1)];
  std::string line = fmt::format("trial {}/{}", record.trial, trials_);
  if (rounds_.size() > 1) line += fmt::format("  round {}/{} of {} trials", record.round, rounds_.size(), round.trials);
  if (!record.error.empty()) return fmt::format("{}  failed: {}  {}", line, record.error, words_of(record.point));
  const std::string micro_f1 = std::isnan(record.micro_f1) ? "" : fmt::format("  micro F1 {:.4f}", record.micro_f1);
  return fmt::format("{}  accuracy {:.4f}  macro F1 {:.4f}{}  loss {:.4f}  {} epoch{}, {:.1f} s  {}", line,
                     record.accuracy, record.macro_f1, micro_f1, record.loss, record.epochs,
                     record.epochs == 1 ? "" : "s", record.seconds, words_of(record.point));
}

void HyperSearch::say(const std::string& text) const {
  if (!quiet_) train::say(stdout, text + '\n');
}

std::string HyperSearch::settle(const OptionTable& options, const SearchSpace& space) {
  const auto first = make_trial(options, points_.front());
  first->session.settle(first->options);
  const uint64_t fingerprint = first->session.load(first->options);
  // Those that hang on the data are the same for all.
  std::replace(epochs_.begin(), epochs_.end(), int64_t{epochs_.front()}, first->session.training().epochs);
  const auto folds = value_of<int64_t>(options, "folds");
  if (!first->session.has_held_out() && folds == 0) {
    refuse("a search needs examples to compare by: --valid FILE, --hold-out or --folds");
  }
  rounds_ = method_ == "halving" ? halving_rounds(trials_, factor_, *std::min_element(epochs_.begin(), epochs_.end()))
                                 : std::vector<HalvingRound>{{trials_, 1}};
  const auto given = make_trial(options, {});
  return Json{{"program", program_},
              {"method", method_},
              {"trials", trials_},
              {"factor", factor_},
              {"space", Json::parse(space.describe())},
              {"folds", folds},
              {"options", Json::parse(given->options.to_json())},
              {"data", fmt::format("{:016x}", fingerprint)}}
      .dump();
}

bool HyperSearch::is_done(int64_t trial, int64_t round) const {
  return std::any_of(records_.begin(), records_.end(),
                     [&](const SearchRecord& record) { return record.trial == trial && record.round == round; });
}

Ending HyperSearch::run_rounds(const OptionTable& options, const std::string& identity) {
  const InterruptGuard interrupt;  // also between the trials
  for (int64_t round = 1; round <= static_cast<int64_t>(rounds_.size()); ++round) {
    for (const int64_t number : contestants(round)) {
      if (is_done(number, round)) continue;
      SearchRecord record{.trial = number, .round = round, .point = points_[static_cast<size_t>(number - 1)]};
      record.epochs =
          epochs_of_share(rounds_[static_cast<size_t>(round - 1)].share, epochs_[static_cast<size_t>(number - 1)]);
      const bool time_left = max_minutes_ == 0 || minutes_left() > 0;
      const Ending ending = InterruptGuard::requested() ? Ending::interrupted
                            : time_left                 ? run_trial(options, record)
                                                        : Ending::out_of_time;
      if (ending == Ending::interrupted || ending == Ending::out_of_time) {
        say(fmt::format("stopped in trial {}; the same command with --resume goes on", number));
        return ending;
      }
      keep_if_best(record);
      records_.push_back(std::move(record));
      write_records(identity);
      say(trial_line(records_.back()));
    }
  }
  return Ending::complete;
}

int HyperSearch::run(OptionTable& options) {
  if (ProcessGroup::current()) refuse("search trains in one process: start it without mpirun");
  start_ = Clock::now();
  out_ = value_of<std::string>(options, "out");
  max_minutes_ = value_of<double>(options, "max-minutes");
  quiet_ = value_of<bool>(options, "quiet");
  const int64_t earlier = trials_recorded(record_path());
  check_folder(earlier);
  const SearchSpace space = space_of(options);
  if (space.ranges().empty()) refuse("there is nothing to vary: --vary OPTION=VALUES names something");
  for (const SearchRange& range : space.ranges()) {
    if (range.option == "multi-label") refuse("multi-label cannot vary: trials of one search have one kind of labels");
  }
  draw_points(options, space);
  // What is wrong with the data is said before anything is written.
  const std::string identity = settle(options, space);
  prepare_folder(out_);
  if (value_of<bool>(options, "resume")) {
    records_ = read_records(identity, options);
  } else {
    remove_earlier(earlier);
  }
  write_records(identity);
  if (!records_.empty()) say(fmt::format("going on behind trial {}", records_.back().trial));
  const Ending ending = run_rounds(options, identity);
  if (ending == Ending::complete) return finish(options, space);
  if (value_of<bool>(options, "json")) {
    fmt::print("{}\n", json_text(Json{{"ending", name(ending)}, {"runs", records_.size()}, {"out", out_}}));
  }
  return ending == Ending::interrupted ? ExitStatus::interrupted : ExitStatus::success;
}

int HyperSearch::finish(const OptionTable& options, const SearchSpace& space) const {
  const std::vector<SearchRecord> last = of_round(static_cast<int64_t>(rounds_.size()));
  if (last.empty() || !last.front().error.empty()) {
    refuse("no trial ended well; trial {}: {}", records_.back().trial, records_.back().error);
  }
  const SearchRecord& best = last.front();
  const std::string report = fs::path(out_) / "search.html", model = best_folder();
  SearchReport page{.title = fmt::format("{} search: {}", program_, out_), .metric = metric_, .records = records_};
  page.facts = {{"trials", std::to_string(trials_)}, {"method", method_}, {"best trial", std::to_string(best.trial)}};
  for (const SearchRange& range : space.ranges()) page.facts.emplace_back(range.option, range.describe());
  data::write_atomically(report, to_html(page));
  if (!quiet_) {
    fmt::print("\n{}\nbest by {}: trial {}, accuracy {:.4f}, loss {:.4f}\n  {}\nmodel in {}, all trials in {}\n",
               trials_table(last), metric_, best.trial, best.accuracy, best.loss, flags_of(best.point), model, report);
  }
  if (value_of<bool>(options, "json")) {
    Json summary = Json::parse(to_json(best));
    summary.update({{"trials", trials_}, {"runs", records_.size()}, {"monitor", metric_}, {"out", model}});
    fmt::print("{}\n", json_text(summary));
  }
  return ExitStatus::success;
}

}  // namespace fovea::train
