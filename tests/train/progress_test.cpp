#include "fovea/train/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

using testing::HasSubstr;
using testing::Not;

const ProgressState state{.epoch = 3,
                          .epochs = 20,
                          .step = 95,
                          .steps = 190,
                          .loss = 0.41234,
                          .accuracy = 0.873,
                          .examples_per_second = 5210,
                          .seconds_left = 75};

/// Everything that a function prints to a stream of its own.
std::string printed(const std::function<void(std::FILE*)>& print) {
  std::FILE* stream = std::tmpfile();
  print(stream);
  std::fflush(stream);
  const auto size = static_cast<size_t>(std::ftell(stream));
  std::string out(size, '\0');
  std::rewind(stream);
  EXPECT_EQ(std::fread(out.data(), 1, size, stream), size);
  std::fclose(stream);
  return out;
}

TEST(ProgressLine, ShowsAllWhereThereIsRoom) {
  const std::string line = progress_line(state, 120, false);
  EXPECT_THAT(line, HasSubstr("epoch 3/20"));
  EXPECT_THAT(line, HasSubstr("####################--------------------"));
  EXPECT_THAT(line, HasSubstr("step 95/190  loss 0.4123  accuracy 87.3 %  5.2k/s  1:15 left"));
}

TEST(ProgressLine, NeverPassesTheWidth) {
  for (int width = 0; width < 140; ++width) {
    EXPECT_LE(progress_line(state, width, false).size(), static_cast<size_t>(width)) << width;
  }
}

TEST(ProgressLine, LeavesOutTheLeastImportantFirst) {
  const std::string line = progress_line(state, 50, false);
  EXPECT_THAT(line, HasSubstr("loss 0.4123"));
  EXPECT_THAT(line, Not(HasSubstr("/s")));
  EXPECT_THAT(line, Not(HasSubstr("left")));
}

TEST(ProgressLine, DoesNotSayAnAccuracyWhereNothingIsClassified) {
  ProgressState numbers = state;
  numbers.accuracy = NAN;
  EXPECT_THAT(progress_line(numbers, 120, false), HasSubstr("loss 0.4123  5.2k/s"));
}

TEST(ProgressLine, DoesNotSayATimeThatItDoesNotKnow) {
  ProgressState unknown = state;
  unknown.seconds_left = -1;
  EXPECT_THAT(progress_line(unknown, 120, false), Not(HasSubstr("left")));
}

TEST(Progress, DrawsOverTheBarAndTakesItAway) {
  const std::string text = printed([](std::FILE* stream) {
    Progress progress(Progress::Style::bar, stream);
    progress.update(state);
    progress.line("done");
  });
  EXPECT_THAT(text, HasSubstr("\repoch 3/20"));
  EXPECT_TRUE(text.ends_with("\r\x1b[Kdone\n")) << text;
}

TEST(Progress, WritesPlainLinesWhereNobodyWatches) {
  const std::string text = printed([](std::FILE* stream) {
    EXPECT_EQ(Progress::style_for(stream, false), Progress::Style::lines);
    Progress progress(Progress::Style::lines, stream);
    progress.update(state);
    progress.line("epoch 3/20 done");
  });
  EXPECT_EQ(text, "epoch 3/20 done\n");
}

TEST(Progress, IsSilentWhereQuiet) {
  const std::string text = printed([](std::FILE* stream) {
    EXPECT_EQ(Progress::style_for(stream, true), Progress::Style::quiet);
    Progress progress(Progress::Style::quiet, stream);
    progress.update(state);
    progress.line("done");
  });
  EXPECT_EQ(text, "");
}

TEST(Terminal, WritesDurationsAndCounts) {
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(725), "12:05");
  EXPECT_EQ(duration_text(12000), "3:20:00");
  EXPECT_EQ(short_count(0), "0");
  EXPECT_EQ(short_count(999), "999");
  EXPECT_EQ(short_count(999.7), "1.0k");
  EXPECT_EQ(short_count(12345), "12.3k");
  EXPECT_EQ(short_count(4.1e6), "4.1M");
}

}  // namespace
}  // namespace fovea::train
