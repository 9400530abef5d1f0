// The classifiers of pictures and of recordings as their users run them.
#include "exports.h"
#include "json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "fovea/data/resample.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('{')) lines.push_back(Json::parse(line));
  }
  return lines;
}

class MediaClassifier : public testing::TestWithParam<Kind (*)()> {
 protected:
  Finished call(const Words& arguments) const { return run(kind.program, arguments); }
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train", "--train", train, "--out", folder / out} + kind.small + flags;
  }
  std::string weights(const std::string& out) const { return read_back(folder / (out + "/model.safetensors")); }

  Kind kind = GetParam()();
  TempFolder folder;
  std::string train = kind.write(folder, "train", 80, 1);
};

TEST_P(MediaClassifier, TrainsEvaluatesPredictsAndExplainsWithEitherEncoder) {
  const std::string test = kind.write(folder, "test", 20, 2);
  for (const std::string& encoder : kind.encoders) {
    const std::string model = folder / encoder;
    const Finished trained = call(train_into(encoder, {"--encoder", encoder, "--epochs", "15", "--json"}));
    ASSERT_EQ(trained.status, 0) << trained.error;
    EXPECT_EQ(json_lines(trained.out).back()["ending"], "complete") << trained.out;

    const Finished evaluated = call({"evaluate", "--model", model, "--data", test, "--json"});
    ASSERT_EQ(evaluated.status, 0) << evaluated.error;
    EXPECT_EQ(json_lines(evaluated.out).back()["examples"], 20);
    EXPECT_GE(json_lines(evaluated.out).back()["accuracy"], 0.9) << encoder;

    const std::string example = test + "/" + kind.labels[1] + "/example_3" + kind.ending;
    const Finished predicted = call({"predict", "--model", model, "--explain", "--json", example, test + "[0:2]"});
    ASSERT_EQ(predicted.status, 0) << predicted.error;
    const std::vector<Json> lines = json_lines(predicted.out);
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines[0][kind.input], example);
    EXPECT_EQ(lines[0]["label"], kind.labels[1]);
    double sum = 0;
    for (const Json& each : lines[0][kind.attention]) {
      if (each.is_array()) {
        for (const double weight : each) sum += weight;
      } else {
        sum += each["weight"].get<double>();
      }
    }
    EXPECT_NEAR(sum, 1, 1e-4);

    const Finished shown = run(kind.program, {"predict", "--model", model, "--explain"}, example + "\n");
    ASSERT_EQ(shown.status, 0) << shown.error;
    EXPECT_THAT(shown.out, StartsWith(kind.labels[1] + "\t"));
    EXPECT_THAT(shown.out, HasSubstr("\n    "));
    EXPECT_THAT(read_back(model + "/report.html"), HasSubstr("<img alt=\"where the attention is\""));
  }
}

TEST_P(MediaClassifier, ThreadsDoNotChangeAByte) {
  for (const std::string& encoder : kind.encoders) {
    for (const char* threads : {"1", "2"}) {
      const Words flags{"--encoder", encoder, "--epochs", "1", "--threads", threads};
      ASSERT_EQ(call(train_into(threads, flags)).status, 0);
    }
    EXPECT_EQ(weights("1"), weights("2")) << encoder;
  }
}

TEST_P(MediaClassifier, RunsOnVulkan) {
  const Finished trained = call(train_into("model", {"--epochs", "1", "--device", "vulkan"}));
  if (trained.status == 2 && trained.error.find("vulkan") != std::string::npos) {
    GTEST_SKIP() << "no Vulkan device: " << trained.error;
  }
  ASSERT_EQ(trained.status, 0) << trained.error;
  const Words evaluate{"evaluate", "--model", folder / "model", "--data", train, "--json"};
  const Finished on_gpu = call(evaluate + Words{"--device", "vulkan"}), on_cpu = call(evaluate);
  ASSERT_EQ(on_gpu.status, 0) << on_gpu.error;
  EXPECT_NEAR(json_lines(on_gpu.out).back()["loss"], json_lines(on_cpu.out).back()["loss"], 1e-3);
}

TEST_P(MediaClassifier, RefusesWhatIsWrongAndWritesNothing) {
  const std::string none = folder / "none", empty = folder / "empty";
  std::filesystem::create_directory(empty);
  const std::string broken = folder.write("broken" + kind.ending, "nothing of the kind");
  kind.write(folder, "one", 3, 1);
  std::filesystem::remove_all(folder / ("one/" + kind.labels[1]));
  kind.write(folder, "bad", 3, 1);
  folder.write("bad/" + kind.labels[0] + "/example_9" + kind.ending, "nothing of the kind");
  const struct {
    std::string source;
    std::string error;
  } cases[] = {
      {none, none + ": no such file"},
      {none + "[0:3]", none + "[0:3]: there is no such file or folder"},
      {empty, empty + ": no " + kind.ending + ", "},
      {train + "[0:81]", train + "[0:81]: there are only 80 examples"},
      {train + "[*.gif]", train + "[*.gif]: none of 80 names is meant"},
      {folder / "one", (folder / "one") + ": all labels are "},
      {folder / "bad", (folder / "bad") + "/" + kind.labels[0] + "/example_9" + kind.ending + ": "},
  };
  for (const auto& each : cases) {
    const Finished done = call(Words{"train", "--train", each.source, "--out", folder / "out"} + kind.small);
    EXPECT_EQ(done.status, 2) << each.source;
    EXPECT_THAT(done.error, StartsWith(each.error));
    EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  }
  ASSERT_EQ(call(train_into("model", {"--epochs", "1"})).status, 0);
  const Finished predicted = call({"predict", "--model", folder / "model", broken});
  EXPECT_EQ(predicted.status, 2);
  EXPECT_THAT(predicted.error, StartsWith(broken + ": "));
  const std::string other = kind.write(folder, "other", 2, 1);
  std::filesystem::rename(other + "/" + kind.labels[0], other + "/unheard");
  const Finished evaluated = call({"evaluate", "--model", folder / "model", "--data", other});
  EXPECT_EQ(evaluated.status, 2);
  EXPECT_THAT(evaluated.error, HasSubstr("unknown label \"unheard\"; the classes are "));
}

TEST_P(MediaClassifier, DemonstratesItself) {
  const Finished done =
      call({"demo", "--out", folder / "demo", "--device", "cpu", "--threads", "2", "--quiet", "--json"});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 1) << done.out;
  EXPECT_GE(json_lines(done.out).back()["accuracy"], 0.9) << done.out;
  expect_as_good_in_8_bits(kind.program, folder / "demo/model", folder / "demo/test");
  if (!runs_elsewhere(kind.program, folder / "demo/model", folder / "demo/test")) GTEST_SKIP() << no_runtime;
}

INSTANTIATE_TEST_SUITE_P(Programs, MediaClassifier, testing::Values(pictures, recordings),
                         [](const auto& info) { return info.index == 0 ? "Pictures" : "Recordings"; });

TEST(ImageClassifier, SaysOfWhichFolderItHeldOut) {
  const TempFolder folder;
  const Words train{"train", "--train", pictures().write(folder, "shapes", 20, 1) + "/", "--out", folder / "model"};
  const Finished done = run(IMAGE_CLASSIFIER, train + pictures().small + Words{"--epochs", "1"});
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("held out of shapes\n"));
  const Finished refused = run(IMAGE_CLASSIFIER, train + pictures().small + Words{"--mixup", "1e-18"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.error, HasSubstr("--mixup: 1e-18 is less than 0.01"));
}

TEST(ImageClassifier, TakesEveryFlagOfItsOwn) {
  const Kind kind = pictures();
  const TempFolder folder;
  const std::string train = kind.write(folder, "train", 24, 1), valid = kind.write(folder, "valid", 8, 2);
  const Words flags = words_of(
      "--encoder transformer --patch 3 --layers 1 --heads 2 --channels 3 --height 9 --width 12 "
      "--shift 0.1 --rotate 5 --scale 0.1 --crop 0.1 --flip --cutout 0.2 --mixup 0.2 --epochs 1");
  const Finished done = run(
      kind.program, Words{"train", "--train", train, "--valid", valid, "--out", folder / "model"} + kind.small + flags);
  ASSERT_EQ(done.status, 0) << done.error;
  const Json options = Json::parse(read_back(folder / "model/config.json"))["options"];
  EXPECT_EQ(options["height"], 9);
  EXPECT_EQ(options["mixup"], 0.2);
  for (const Words& wrong :
       {Words{"--channels", "2"}, Words{"--stages", "9"}, Words{"--encoder", "transformer", "--heads", "3"},
        Words{"--encoder", "transformer", "--patch", "9"}}) {
    const Finished refused = run(kind.program, Words{"train", "--train", train, "--out", folder / "other"} + wrong);
    EXPECT_EQ(refused.status, 2) << testing::PrintToString(wrong);
    EXPECT_FALSE(std::filesystem::exists(folder / "other"));
  }
}

TEST(ImageClassifier, ReadsIdxByRanges) {
  const TempFolder folder;
  std::string images("\0\0\x08\3\0\0\0\x40\0\0\0\x08\0\0\0\x08", 16), labels("\0\0\x08\1\0\0\0\x40", 8);
  for (uint64_t i = 0; i < 64; ++i) {
    const auto pixels = side_picture(i % 2 == 1, i).pixels;
    images.append(pixels.begin(), pixels.end());
    labels += static_cast<char>(i % 2);
  }
  const std::string path = folder.write("t-images-idx3-ubyte.gz", data::testing::gzip(images));
  folder.write("t-labels-idx1-ubyte.gz", data::testing::gzip(labels));
  const Finished trained =
      run(IMAGE_CLASSIFIER,
          Words{"train", "--train", path + "[0:48]", "--out", folder / "model", "--epochs", "15"} + pictures().small);
  ASSERT_EQ(trained.status, 0) << trained.error;
  const Finished evaluated =
      run(IMAGE_CLASSIFIER, {"evaluate", "--model", folder / "model", "--data", path + "[48:64]", "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  EXPECT_EQ(json_lines(evaluated.out).back()["examples"], 16);
  EXPECT_GE(json_lines(evaluated.out).back()["accuracy"], 0.9);
}

TEST(SpeechClassifier, ConvertsRecordingsOfOtherRates) {
  const Kind kind = recordings();
  const TempFolder folder;
  const std::string train = kind.write(folder, "train", 24, 1), test = kind.write(folder, "test", 8, 2);
  for (const std::string& set : {train, test}) {
    for (int i = 3; i < 8; ++i) {  // the first stays as it is
      const std::string path = fmt::format("{}/{}/example_{}.wav", set, kind.labels[i % 2], i);
      data::Audio audio = data::parse_wav(read_back(path), path);
      audio = {11025, data::Resampler(audio.rate, 11025).convert(audio.samples)};
      std::filesystem::remove(path);
      std::ofstream(path, std::ios::binary) << data::encode_wav(audio);
    }
  }
  const std::string model = folder / "model";
  const Finished trained =
      run(kind.program, Words{"train", "--train", train, "--out", model, "--epochs", "15"} + kind.small);
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_THAT(trained.out, HasSubstr("; 5 recordings converted to 4000 samples a second; "));
  EXPECT_THAT(read_back(folder / "model/report.html"), HasSubstr("5 recordings converted to 4000 samples a second"));
  EXPECT_EQ(Json::parse(read_back(folder / "model/config.json"))["options"]["rate"], 4000);
  const Finished evaluated = run(kind.program, {"evaluate", "--model", model, "--data", test, "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  EXPECT_THAT(evaluated.out, HasSubstr("\n5 recordings converted to 4000 samples a second\n"));
  EXPECT_EQ(json_lines(evaluated.out).back()["accuracy"], 1.0);
  const Finished predicted = run(kind.program, {"predict", "--model", model, test + "/low/example_3.wav"});
  EXPECT_THAT(predicted.out, StartsWith("low\t"));
}

TEST(SpeechClassifier, TakesEveryFlagOfItsOwn) {
  const Kind kind = recordings();
  const TempFolder folder;
  const std::string train = kind.write(folder, "train", 24, 1);
  const Words flags = words_of(
      "--label folder --encoder gru --rate 4000 --max-seconds 0.12 --features mfcc --coefficients 6 --window 0.03 "
      "--hop 0.015 "
      "--shift 0.01 --noise 0.1 --frequency-masks 1 --frequency-width 0.3 --time-masks 1 --time-width 0.3 --kernel 3 "
      "--epochs 1");
  const Finished done =
      run(kind.program, Words{"train", "--train", train, "--out", folder / "model"} + kind.small + flags);
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(Json::parse(read_back(folder / "model/config.json"))["options"]["label"], "folder");
  for (const Words& wrong :
       {Words{"--kernel", "4"}, Words{"--encoder", "gru", "--hidden", "7"}, Words{"--rate", "300000"},
        Words{"--features", "mfcc", "--coefficients", "100"}, Words{"--label", "name", "--train", train + "[0:0]"}}) {
    const Finished refused = run(kind.program, Words{"train", "--train", train, "--out", folder / "other"} + wrong);
    EXPECT_EQ(refused.status, 2) << testing::PrintToString(wrong);
    EXPECT_FALSE(std::filesystem::exists(folder / "other"));
  }
}

}  // namespace
}  // namespace fovea::test
