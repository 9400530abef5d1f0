#pragma once

#include <fovea/fovea.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// The whole of a text file, which may be packed by gzip. Throws DataError where it cannot be read or is not UTF-8.
std::string read_text(const std::string& path);

/// The last `share` of a text, cut between characters, and what comes before it.
struct Parts {
  std::string_view before;
  std::string_view end;
};
Parts hold_out_end(std::string_view text, double share);

/// Characters and their ids.
class Characters {
 public:
  /// Those of a text, at most `most` ids.
  Characters(const std::string& text, int64_t most);
  explicit Characters(fovea::data::Vocabulary vocabulary);

  std::vector<int32_t> encode(std::string_view text) const;
  /// "\ufffd" for a character that it does not know.
  std::string_view text(int32_t id) const;
  const fovea::data::Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  std::unique_ptr<fovea::data::Tokenizer> tokenizer_ = fovea::data::make_tokenizer("char");
  fovea::data::Vocabulary vocabulary_;
};

/// Windows on a text of `context` characters and the ones that follow each of them. To train: at random places, as many
/// an epoch as cover the text, but no fewer than `least` batches; the windows of an epoch depend on the seed and the
/// epoch alone. To test: from the text's beginning to its end, each character once.
class Windows final : public fovea::train::BatchStream {
 public:
  struct Options {
    int64_t context = 128;
    int64_t batch_size = 32;
    bool random = false;
    int64_t least = 1;
    uint64_t seed = 0;
  };

  /// The model must outlive it; `ids` are at least two.
  Windows(const fovea::nn::CausalLM& model, std::vector<int32_t> ids, Options options, fovea::Device device);

  int64_t batches() const override;
  void seek(int64_t epoch, int64_t batch) override;
  std::optional<fovea::train::Outcome> next() override;

 private:
  int64_t predicted() const { return static_cast<int64_t>(ids_.size()) - 1; }
  std::vector<int64_t> begins() const;

  const fovea::nn::CausalLM& model_;
  std::vector<int32_t> ids_;
  Options options_;
  fovea::Device device_;
  int64_t epoch_ = 0, batch_ = 0;
};
