#include "fovea/train/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backends/error.h"

namespace fovea::train {
namespace {

const EpochRecord record{.epoch = 3,
                         .step = 300,
                         .lr = 0.0007,
                         .loss = 0.1 + 0.2,
                         .accuracy = 0.9,
                         .valid_loss = 0.5,
                         .valid_accuracy = 0.84,
                         .valid_macro_f1 = 0.83,
                         .valid_roc_auc = 0.91,
                         .valid_calibration_error = 0.04,
                         .valid_brier = 0.12,
                         .seconds = 1.25,
                         .examples_per_second = 5000,
                         .best = true};

TEST(History, RecordsSurviveJson) {
  EXPECT_EQ(epoch_record_from_json(to_json(record)), record);
  EpochRecord without = record;
  without.valid_loss = without.valid_accuracy = without.valid_macro_f1 = std::nullopt;
  without.valid_roc_auc = without.valid_calibration_error = without.valid_brier = std::nullopt;
  EXPECT_EQ(epoch_record_from_json(to_json(without)), without);
  EXPECT_EQ(to_json(without).find("valid"), std::string::npos);
}

TEST(History, ALossThatIsNotANumberIsNull) {
  EpochRecord broken = record;
  broken.loss = NAN;
  EXPECT_THAT(to_json(broken), testing::HasSubstr("\"loss\":null"));
  EXPECT_TRUE(std::isnan(epoch_record_from_json(to_json(broken)).loss));
}

TEST(History, IsOneLineARecord) {
  const std::string text = to_jsonl({record, record});
  EXPECT_EQ(text, to_json(record) + "\n" + to_json(record) + "\n");
}

TEST(History, RefusesWhatIsNoRecord) {
  EXPECT_THROW(epoch_record_from_json("{"), DataError);
  EXPECT_THROW(epoch_record_from_json("{}"), DataError);
  EXPECT_THROW(epoch_record_from_json(R"({"epoch": "three"})"), DataError);
}

TEST(History, TellsNoAccuracyWhereNothingIsClassified) {
  EpochRecord numbers = record;
  numbers.accuracy = NAN;
  numbers.valid_accuracy = std::nullopt;
  EXPECT_EQ(epoch_line(numbers, 20), "epoch 3/20  loss 0.3000  valid loss 0.5000 *  1.2 s");
}

TEST(History, TellsMicroF1OfSeveralLabels) {
  EpochRecord labels = record;
  labels.accuracy = NAN;
  labels.valid_micro_f1 = 0.875;
  EXPECT_EQ(epoch_line(labels, 20), "epoch 3/20  loss 0.3000  valid loss 0.5000  micro F1 0.8750 *  1.2 s");
  EXPECT_EQ(epoch_record_from_json(to_json(labels)).valid_micro_f1, 0.875);
  EXPECT_EQ(to_json(record).find("micro"), std::string::npos);
}

TEST(History, TellsPeopleWhichEpochIsBest) {
  EXPECT_EQ(epoch_line(record, 20),
            "epoch 3/20  loss 0.3000  accuracy 0.9000  valid loss 0.5000  accuracy 0.8400 *  1.2 s");
}

}  // namespace
}  // namespace fovea::train
