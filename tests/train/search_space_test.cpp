#include "fovea/train/search_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "support/expect.h"

namespace fovea::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct SearchedOptions {
  double lr = 1e-3, dropout = 0.3;
  int64_t hidden = 64, epochs = 10, threads = 0, seed = 1;
  std::string encoder = "gru";
  bool gate = false;
  OptionTable table;

  SearchedOptions() {
    table.add("encoder", &encoder, "", {.choices = {"bag", "gru", "lstm"}});
    table.add("hidden", &hidden, "", {.min = 1, .max = 4096});
    table.add("gate", &gate, "");
    table.add("lr", &lr, "", {.min = 0, .max = 10});
    table.add("dropout", &dropout, "", {.min = 0, .max = 0.95});
    table.add("epochs", &epochs, "", {.min = 1});
    table.add("seed", &seed, "", {.min = 0});
    table.add("threads", &threads, "", {.configuration = false});
  }

  std::string refusal(const std::string& text) const {
    try {
      SearchSpace().add(text, table);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "none";
  }
  std::string json_refusal(const std::string& text) const {
    try {
      SearchSpace().add_json(text, "space.json", table);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
};

TEST(SearchSpaceTest, DrawsWithinItsRangesAndTheSameForTheSameSeed) {
  const SearchedOptions options;
  SearchSpace space;
  space.add("lr=1e-4..1e-1:log", options.table);
  space.add("hidden=3..6", options.table);
  space.add("encoder=gru,lstm", options.table);
  space.add("dropout=0..0.5", options.table);
  space.add("gate=true,false", options.table);
  std::set<std::string> widths, encoders;
  int low = 0;
  for (int64_t trial = 1; trial <= 400; ++trial) {
    const SearchPoint point = space.draw(7, trial, 0);
    EXPECT_EQ(point, space.draw(7, trial, 0));
    ASSERT_EQ(point.size(), 5u);
    EXPECT_EQ(point[0].first, "lr");
    const double lr = std::stod(point[0].second), dropout = std::stod(point[3].second);
    EXPECT_GE(lr, 1e-4);
    EXPECT_LE(lr, 1e-1);
    low += lr < 1e-2;
    widths.insert(point[1].second);
    encoders.insert(point[2].second);
    EXPECT_GE(dropout, 0);
    EXPECT_LE(dropout, 0.5);
  }
  // Two of the three powers of ten; six standard deviations either way.
  EXPECT_NEAR(low, 400 * 2 / 3.0, 6 * std::sqrt(400 * 2 / 9.0));
  EXPECT_THAT(widths, ElementsAre("3", "4", "5", "6"));
  EXPECT_THAT(encoders, ElementsAre("gru", "lstm"));
  EXPECT_NE(space.draw(7, 1, 0), space.draw(8, 1, 0));
  EXPECT_NE(space.draw(7, 1, 0), space.draw(7, 2, 0));
  EXPECT_NE(space.draw(7, 1, 0), space.draw(7, 1, 1));
}

TEST(SearchSpaceTest, IsReadFromJson) {
  const SearchedOptions options;
  SearchSpace space;
  space.add_json(R"({"lr": {"min": 1e-4, "max": 0.01, "log": true}, "hidden": [16, 32], "gate": [true],
                     "dropout": "0.1..0.2"})",
                 "space.json", options.table);
  EXPECT_EQ(space.describe(), R"({"lr":"0.0001..0.01:log","hidden":"16,32","gate":"true","dropout":"0.1..0.2"})");
}

TEST(SearchSpaceTest, RefusesWhatCannotBeSearched) {
  SearchedOptions options;
  options.table.assign("dropout", {"0.1"});
  EXPECT_EQ(options.refusal("lr"), "--vary: \"lr\" is not OPTION=VALUES, as lr=1e-4..1e-2:log or encoder=gru,lstm");
  EXPECT_EQ(options.refusal("rate=1..2"), "--vary rate: there is no option --rate");
  EXPECT_EQ(options.refusal("threads=1..2"), "--vary threads: --threads is nothing to search for");
  EXPECT_EQ(options.refusal("seed=1..2"), "--vary seed: --seed is nothing to search for");
  EXPECT_EQ(options.refusal("dropout=0..0.5"), "--vary dropout: --dropout is given, too");
  EXPECT_EQ(options.refusal("lr=1..1"), "--vary lr: 1 is not less than 1");
  EXPECT_EQ(options.refusal("lr=0..1:log"), "--vary lr: a logarithm needs numbers above 0");
  EXPECT_EQ(options.refusal("lr=1e-3..100"), "--vary lr: 100 is not between 0 and 10");
  EXPECT_EQ(options.refusal("lr=a..b"), "--vary lr: \"a\" is not a number");
  EXPECT_EQ(options.refusal("lr=1e-3..1:logarithmic"), "--vary lr: \"1:logarithmic\" is not a number");
  EXPECT_EQ(options.refusal("hidden=1.5..3"), "--vary hidden: \"1.5\" is not a whole number");
  EXPECT_EQ(options.refusal("encoder=gru,cnn"), "--vary encoder: \"cnn\" is not one of bag, gru, lstm");
  EXPECT_EQ(options.refusal("encoder=1..2"), "--vary encoder: --encoder takes no numbers");
  EXPECT_EQ(options.refusal("hidden=16,"), "--vary hidden: \"\" is not a whole number");
  SearchSpace space;
  space.add("lr=1e-3..1", options.table);
  EXPECT_THROW(space.add("lr=1e-3..1", options.table), UsageError);

  EXPECT_EQ(options.json_refusal("[1]"), "space.json: not a JSON object");
  EXPECT_EQ(options.json_refusal("{\n\"lr\": }"), "space.json:2: not valid JSON");
  EXPECT_EQ(options.json_refusal("{\"lr\": 1e999}"), "space.json: it holds a number that is too large");
  EXPECT_EQ(options.json_refusal(R"({"lr": 3})"), "space.json: lr: 3 is neither an array of values nor min and max");
  EXPECT_EQ(options.json_refusal(R"({"lr": []})"), "space.json: lr: there are no values");
  EXPECT_EQ(options.json_refusal(R"({"lr": {"min": 1}})"), "space.json: lr: min or max is missing");
  EXPECT_THAT(options.json_refusal(R"({"lr": {"min": 1, "mx": 2}})"),
              HasSubstr("space.json: lr: \"mx\": 2 is none of"));
  EXPECT_EQ(options.json_refusal(R"({"hidden": [[1]]})"), "space.json: hidden: [1] is not a value");
}

TEST(SearchSpaceTest, UsuallyLeavesAloneWhatIsGiven) {
  SearchedOptions options;
  options.table.assign("lr", {"0.01"});
  std::vector<std::string> names;
  const SearchSpace space =
      SearchSpace::usual(options.table, [](const SearchPoint& point) { return point[0].second != "128"; });
  for (const SearchRange& range : space.ranges()) names.push_back(range.option);
  EXPECT_THAT(names, ElementsAre("encoder", "hidden", "dropout"));
  EXPECT_THAT(space.ranges()[1].values, ElementsAre("32", "64"));
}

TEST(SearchSpaceTest, DrawsWholeNumbersByTheirLogarithm) {
  const SearchedOptions options;
  SearchSpace space;
  space.add("hidden=1..4:log", options.table);
  std::map<std::string, int> seen;
  for (int64_t trial = 0; trial < 2000; ++trial) ++seen[space.draw(3, trial, 0)[0].second];
  ASSERT_EQ(seen.size(), 4u) << "both ends belong to it";
  for (const auto& [number, count] : seen) {  // n takes [log n, log (n + 1)) of [0, log 5)
    const double n = std::stod(number), part = std::log((n + 1) / n) / std::log(5);
    EXPECT_NEAR(count / 2000.0, part, 6 * std::sqrt(part / 2000)) << number;
  }
}

TEST(SearchSpaceTest, DrawsFourDigitsThatLieWithinTheRange) {
  const SearchedOptions options;
  SearchSpace wide, narrow;
  wide.add("lr=0.001..0.9", options.table);
  narrow.add("dropout=0.90001..0.90003", options.table);  // four digits would all be outside
  for (int64_t trial = 0; trial < 100; ++trial) {
    const std::string lr = wide.draw(3, trial, 0)[0].second;
    EXPECT_LE(lr.size() - lr.find_first_not_of("0."), 4u) << lr;
    const double dropout = std::stod(narrow.draw(3, trial, 0)[0].second);
    EXPECT_GE(dropout, 0.90001);
    EXPECT_LE(dropout, 0.90003);
  }
  EXPECT_NE(narrow.draw(3, 1, 0), narrow.draw(3, 2, 0));
}

TEST(SearchSpaceTest, TellsRangesApartByAllTheirDigits) {
  const SearchedOptions options;
  const auto described = [&](const std::string& text) {
    SearchSpace space;
    space.add(text, options.table);
    return space.describe();
  };
  EXPECT_EQ(described("lr=1e-5..0.0100000001:log"), R"({"lr":"1e-05..0.0100000001:log"})");
  EXPECT_EQ(described("hidden=1..4096"), R"({"hidden":"1..4096"})");
}

TEST(SearchSpaceTest, UsuallyLooksAroundTheDefaults) {
  double lr = 1e-3, dropout = 0.1, weight_decay = 0.01, other = 1, none = 0;
  int64_t batch_size = 32, hidden = 3, dim = 64, threads = 8;
  std::string encoder = "gru";
  const auto described = [&](double* decay, int64_t least) {
    OptionTable table;
    table.add("lr", &lr, "", {.min = 0});
    table.add("dropout", &dropout, "", {.min = 0});
    table.add("weight-decay", decay, "", {.min = 0});
    table.add("clip", &other, "", {.min = 0});
    table.add("batch-size", &batch_size, "", {.min = 1});
    table.add("hidden", &hidden, "", {.min = 1});
    table.add("dim", &dim, "", {.min = static_cast<double>(least)});
    table.add("encoder", &encoder, "", {.choices = {"bag", "rnn", "gru", "lstm", "hierarchical", "transformer"}});
    return SearchSpace::usual(table, [](const SearchPoint&) { return true; }).describe();
  };
  EXPECT_EQ(described(&weight_decay, 1),
            R"({"lr":"0.000125..0.004:log","dropout":"0..0.6","weight-decay":"0.001..0.1:log",)"
            R"("batch-size":"16,32,64","hidden":"1,3,6","dim":"32,64,128","encoder":"gru,lstm,transformer"})");
  EXPECT_EQ(described(&none, 50),
            R"({"lr":"0.000125..0.004:log","dropout":"0..0.6",)"
            R"("batch-size":"16,32,64","hidden":"1,3,6","dim":"64,128","encoder":"gru,lstm,transformer"})");
  // What is no setting of the training, and what has one value left, is left alone.
  OptionTable table;
  table.add("lr", &lr, "", {.configuration = false});
  table.add("batch-size", &batch_size, "", {.min = 1});
  table.add("hidden", &threads, "", {.min = 1});
  const auto fits = [](const SearchPoint& point) { return point[0].first == "hidden" || point[0].second == "32"; };
  EXPECT_EQ(SearchSpace::usual(table, fits).describe(), R"({"hidden":"4,8,16"})");
}

TEST(SearchSpaceTest, RefusesMembersOfAnotherKind) {
  const SearchedOptions options;
  EXPECT_EQ(options.refusal("=1..2"),
            "--vary: \"=1..2\" is not OPTION=VALUES, as lr=1e-4..1e-2:log or encoder=gru,lstm");
  EXPECT_EQ(options.json_refusal(R"({"hidden": [null]})"), "space.json: hidden: null is not a value");
  const std::string rest = " is none of the numbers min and max and the truth value log";
  EXPECT_EQ(options.json_refusal(R"({"lr": {"min": "1", "max": 2}})"), "space.json: lr: \"min\": \"1\"" + rest);
  EXPECT_EQ(options.json_refusal(R"({"lr": {"min": 1, "max": 2, "log": 1}})"), "space.json: lr: \"log\": 1" + rest);
  SearchSpace space;
  space.add_json(R"({"lr": {"min": 0, "max": 1}})", "space.json", options.table);  // no logarithm
  EXPECT_EQ(space.describe(), R"({"lr":"0..1"})");
}

std::vector<std::pair<int64_t, int64_t>> schedule(int64_t trials, int64_t factor, int64_t epochs) {
  std::vector<std::pair<int64_t, int64_t>> out;
  for (const HalvingRound& round : halving_rounds(trials, factor, epochs)) {
    out.emplace_back(round.trials, epochs_of_share(round.share, epochs));
  }
  return out;
}

TEST(HalvingTest, EachRoundLeavesAPartAndLearnsLonger) {
  using Rounds = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(schedule(9, 3, 27), (Rounds{{9, 3}, {3, 9}, {1, 27}}));
  EXPECT_EQ(schedule(27, 3, 27), (Rounds{{27, 1}, {9, 3}, {3, 9}, {1, 27}}));
  EXPECT_EQ(schedule(20, 3, 10), (Rounds{{20, 1}, {6, 3}, {2, 10}}));
  EXPECT_EQ(schedule(8, 2, 10), (Rounds{{8, 1}, {4, 3}, {2, 5}, {1, 10}}));
  // No more rounds than epochs allow, nor than leave a trial.
  EXPECT_EQ(schedule(100, 3, 3), (Rounds{{100, 1}, {33, 3}}));
  EXPECT_EQ(schedule(100, 3, 1), (Rounds{{100, 1}}));
  EXPECT_EQ(schedule(2, 3, 100), (Rounds{{2, 100}}));
  EXPECT_EQ(schedule(5, 3, 100), (Rounds{{5, 33}, {1, 100}}));
  EXPECT_EQ(schedule(1, 2, 5), (Rounds{{1, 5}}));
  EXPECT_EQ(epochs_of_share(0.1, 3), 1);
  EXPECT_THROW(halving_rounds(0, 3, 3), ValueError);
  EXPECT_THROW(halving_rounds(3, 1, 3), ValueError);
  EXPECT_THROW(halving_rounds(3, 3, 0), ValueError);
}

}  // namespace
}  // namespace fovea::train
