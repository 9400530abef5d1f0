// What reading costs: one step is an epoch of 200,000 texts in batches of 32, no model.
#include <unistd.h>

#include <filesystem>

#include "workloads.h"

namespace fovea::bench {
namespace {

constexpr int64_t texts = 200000, batch_size = 32;

/// A CSV file of texts of 4 to 20 words, frequent and rare ones, removed in the end.
class GeneratedTexts {
 public:
  GeneratedTexts() : path_(std::filesystem::temp_directory_path() / fmt::format("fovea-bench-{}.csv", getpid())) {
    data::write_atomically(path_, [](data::FileWriter& out) {
      data::RandomStream random(1, 0);
      out.write("label,text\n");
      std::string line;
      for (int64_t i = 0; i < texts; ++i) {
        line = i % 2 ? "good," : "bad,";
        for (uint64_t words = 4 + random.below(17); words > 0; --words) {
          // The square of a uniform number: low ones are frequent.
          const double u = random.uniform();
          uint64_t word = 7919 * static_cast<uint64_t>(20000 * u * u) + 17;
          for (; word > 0; word /= 26) line += static_cast<char>('a' + word % 26);
          line += words > 1 ? ' ' : '\n';
        }
        out.write(line);
      }
    });
  }
  GeneratedTexts(const GeneratedTexts&) = delete;
  GeneratedTexts& operator=(const GeneratedTexts&) = delete;
  ~GeneratedTexts() { std::filesystem::remove(path_); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// What is known of the texts before the first step.
struct Learned {
  GeneratedTexts file;
  data::TextDataset dataset = data::load_text_dataset(file.path());
  std::vector<int32_t> labels = data::label_ids(dataset, data::Labels::sorted(dataset.labels));
  std::shared_ptr<const data::Tokenizer> tokenizer = data::make_tokenizer("word");
  data::TextEncoder encoder{tokenizer, data::Vocabulary::build(data::count_tokens(dataset.texts, *tokenizer))};
};

}  // namespace

std::vector<Workload> loading_workloads() {
  return {
      {"load_texts_memory",
       [](Device device) -> Prepared {
         auto learned = std::make_shared<Learned>();
         auto ids = std::make_shared<data::TokenIds>(learned->encoder.encode(learned->dataset.texts));
         auto loader = std::make_shared<data::DataLoader<data::Batch>>(
             data::BatchSampler(ids->lengths(), {.batch_size = batch_size}), [=](std::span<const int64_t> examples) {
               return data::make_batch(*ids, learned->labels, examples, device);
             });
         return {[=] {
           while (loader->next()) continue;
           return Tensor();
         }};
       }},
      {"load_texts_stream",
       [](Device device) -> Prepared {
         auto learned = std::make_shared<Learned>();
         learned->dataset = {};
         auto streamed =
             std::make_shared<data::StreamedTexts>(learned->file.path(), data::StreamedTextsOptions{.hold_out = 0});
         auto stream = std::make_shared<train::StreamedTextStream>(
             *streamed, learned->encoder, texts, 50000, train::StreamOptions{.batch_size = batch_size, .shuffle = true},
             true, [device](const data::TextBlocks::Block& block, std::span<const int64_t> examples) {
               data::Batch batch = data::make_batch(block.ids, block.labels, examples, device);
               return train::Outcome{{}, std::move(batch.labels), {}, std::move(batch.examples)};
             });
         return {[=, epoch = int64_t{0}]() mutable {
           static_cast<void>(learned);  // the stream refers to both
           static_cast<void>(streamed);
           stream->seek(epoch++, 0);
           while (stream->next()) continue;
           return Tensor();
         }};
       }},
  };
}

}  // namespace fovea::bench
