#include "fovea/data/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/data/loader.h"

namespace fovea::data {
namespace {

using Ids = std::vector<int32_t>;

TokenIds some_sequences() {
  TokenIds sequences;
  for (const Ids& ids : {Ids{2, 3}, Ids{4}, Ids{5, 6, 7}, Ids{}}) sequences.add(ids);
  return sequences;
}

const Ids labels{0, 1, 2, 1};

TEST(MakeBatch, PadsToTheLongest) {
  const Batch batch = make_batch(some_sequences(), labels, std::vector<int64_t>{2, 1, 3});
  EXPECT_EQ(batch.tokens.shape(), (Shape{3, 3}));
  EXPECT_EQ(batch.tokens.dtype(), i32);
  EXPECT_EQ(batch.tokens.to_vector<int32_t>(), (Ids{5, 6, 7, 4, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.mask.shape(), (Shape{3, 3}));
  EXPECT_EQ(batch.mask.dtype(), boolean);
  EXPECT_EQ(batch.mask.to_vector<int32_t>(), (Ids{1, 1, 1, 1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.lengths.to_vector<int32_t>(), (Ids{3, 1, 0}));
  EXPECT_EQ(batch.lengths.dtype(), i32);
  EXPECT_EQ(batch.labels.to_vector<int32_t>(), (Ids{2, 1, 1}));
  EXPECT_EQ(batch.examples, (std::vector<int64_t>{2, 1, 3}));
  EXPECT_EQ(batch.size(), 3);
}

TEST(MakeBatch, WorksWithoutLabelsAndWithoutTokens) {
  const Batch batch = make_batch(some_sequences(), {}, std::vector<int64_t>{3, 3});
  EXPECT_FALSE(batch.labels.defined());
  EXPECT_EQ(batch.tokens.shape(), (Shape{2, 0}));
  const Batch none = make_batch(some_sequences(), labels, {});
  EXPECT_EQ(none.tokens.shape(), (Shape{0, 0}));
  EXPECT_EQ(none.labels.shape(), (Shape{0}));
}

TEST(MakeBagBatch, PutsSequencesBehindOneAnother) {
  const BagBatch batch = make_bag_batch(some_sequences(), labels, std::vector<int64_t>{2, 3, 0});
  EXPECT_EQ(batch.tokens.to_vector<int32_t>(), (Ids{5, 6, 7, 2, 3}));
  EXPECT_EQ(batch.offsets.to_vector<int32_t>(), (Ids{0, 3, 3}));
  EXPECT_EQ(batch.labels.to_vector<int32_t>(), (Ids{2, 1, 0}));
  EXPECT_EQ(make_bag_batch(some_sequences(), {}, {}).tokens.shape(), (Shape{0}));
}

TEST(MakeSentenceBatch, GivesEverySentenceARow) {
  EncodedTexts texts;
  for (const auto& [ids, sentences] :
       {std::pair{Ids{2, 3, 4}, Ids{2, 1}}, {Ids{5}, Ids{1}}, {Ids{6, 7, 8, 9}, Ids{1, 1, 2}}}) {
    texts.ids.add(ids);
    texts.sentences.add(sentences);
  }
  const Batch batch = make_sentence_batch(texts, Ids{0, 1, 2}, std::vector<int64_t>{2, 0});
  EXPECT_EQ(batch.tokens.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(batch.tokens.to_vector<int32_t>(), (Ids{6, 0, 7, 0, 8, 9, 2, 3, 4, 0, 0, 0}));
  EXPECT_EQ(batch.mask.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(batch.mask.to_vector<int32_t>(), (Ids{1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0}));
  EXPECT_EQ(batch.lengths.shape(), (Shape{2, 3}));
  EXPECT_EQ(batch.lengths.to_vector<int32_t>(), (Ids{1, 1, 2, 2, 1, 0}));
  EXPECT_EQ(batch.labels.to_vector<int32_t>(), (Ids{2, 0}));
  EXPECT_EQ(batch.examples, (std::vector<int64_t>{2, 0}));

  texts.ids.add(Ids{1});
  EXPECT_THROW(make_sentence_batch(texts, {}, std::vector<int64_t>{0}), ShapeError);
}

TEST(MakeBatch, RefusesBadArguments) {
  const TokenIds sequences = some_sequences();
  EXPECT_THROW(make_batch(sequences, labels, std::vector<int64_t>{4}), IndexError);
  EXPECT_THROW(make_batch(sequences, labels, std::vector<int64_t>{-1}), IndexError);
  EXPECT_THROW(make_bag_batch(sequences, labels, std::vector<int64_t>{0, 4}), IndexError);
  EXPECT_THROW(make_batch(sequences, Ids{1}, std::vector<int64_t>{0}), ShapeError);
  EXPECT_THROW(make_bag_batch(sequences, Ids{1}, std::vector<int64_t>{0}), ShapeError);
  EXPECT_THROW(make_batch(sequences, Ids(static_cast<size_t>(sequences.size()) + 1), std::vector<int64_t>{0}),
               ShapeError);
}

TEST(MakeBatch, ServesALoaderWithWorkers) {
  TokenIds sequences;
  Ids classes;
  for (int32_t i = 0; i < 100; ++i) {
    sequences.add(Ids(static_cast<size_t>(1 + i % 9), i));
    classes.push_back(i);
  }
  DataLoader<Batch> loader(BatchSampler(sequences.lengths(), {.batch_size = 8}),
                           [&](std::span<const int64_t> examples) { return make_batch(sequences, classes, examples); },
                           {.workers = 2});
  std::vector<int> seen(100);
  for (const Batch& batch : loader) {
    const Ids got = batch.labels.to_vector<int32_t>();
    const Ids first = batch.tokens.slice(1, 0, 1).to_vector<int32_t>();
    EXPECT_EQ(first, got);
    for (const int32_t label : got) ++seen[static_cast<size_t>(label)];
  }
  EXPECT_EQ(seen, std::vector<int>(100, 1));
}

}  // namespace
}  // namespace fovea::data
