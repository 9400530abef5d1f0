#include "fovea/train/streamed_text_stream.h"

#include <algorithm>

#include "data/temp_folder.h"

namespace fovea::train {
namespace {

class StreamedTextStreamTest : public testing::Test {
 protected:
  static std::string table() {
    std::string csv = "label,text\n";
    for (int i = 0; i < 103; ++i)
      csv += (i % 2 ? "a," : "b,") + std::string(static_cast<size_t>(1 + i % 5), 'x') + " y\n";
    return csv;
  }
  std::unique_ptr<StreamedTextStream> make(int64_t block, bool by_length = true) const {
    return std::make_unique<StreamedTextStream>(texts, encoder, 103, block,
                                                StreamOptions{.batch_size = 8, .shuffle = true, .seed = 3}, by_length,
                                                [](const data::TextBlocks::Block&, std::span<const int64_t> examples) {
                                                  return Outcome{{}, {}, {}, {examples.begin(), examples.end()}};
                                                });
  }
  /// The examples of each batch of an epoch, from a batch on.
  static std::vector<std::vector<int64_t>> epoch(StreamedTextStream& stream, int64_t number, int64_t from = 0) {
    std::vector<std::vector<int64_t>> batches;
    stream.seek(number, from);
    while (const auto outcome = stream.next()) batches.push_back(outcome->examples);
    return batches;
  }

  data::testing::TempFolder folder;
  data::StreamedTexts texts{folder.write("t.csv", table()), {.hold_out = 0}};
  data::TextEncoder encoder{data::make_tokenizer("word"), data::Vocabulary::build({})};
};

TEST_F(StreamedTextStreamTest, AnEpochHasEveryTextOnceInAnOrderOfItsOwn) {
  for (const int64_t block : {1, 8, 40, 1000}) {
    const auto stream = make(block);
    EXPECT_EQ(stream->batches(), 13);
    const auto first = epoch(*stream, 0), second = epoch(*stream, 1);
    EXPECT_EQ(first.size(), 13u);
    EXPECT_NE(first, second);
    std::vector<int64_t> all;
    for (const auto& batch : first) all.insert(all.end(), batch.begin(), batch.end());
    EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
    std::sort(all.begin(), all.end());
    for (int64_t i = 0; i < 103; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
  }
}

TEST_F(StreamedTextStreamTest, GoesOnAtAnyBatchAsItWouldHave) {
  for (const bool by_length : {false, true}) {
    const auto whole = make(24, by_length);
    epoch(*whole, 0);
    const auto batches = epoch(*whole, 1);
    for (const int64_t from : {0, 1, 3, 5, 12, 13}) {
      const auto again = make(24, by_length);
      const std::vector<std::vector<int64_t>> rest(batches.begin() + from, batches.end());
      EXPECT_EQ(epoch(*again, 1, from), rest) << from;
    }
  }
}

}  // namespace
}  // namespace fovea::train
