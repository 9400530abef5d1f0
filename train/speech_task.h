#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/data/speech_batch.h"
#include "fovea/train/dataset_task.h"

namespace fovea::train {

struct SpeechOutput {
  Tensor logits;   // [batch, classes]
  Tensor weights;  // [batch, time], the attention to each frame; each recording's sum is 1
};

/// The inputs of a speech model's ONNX graph.
struct SpeechInputs {
  onnx::Value features;  // f32 [batch, time, bins]
  onnx::Value lengths;   // i64 [batch], in frames
  onnx::Value mask;      // bool [batch, time]: made of the lengths
};

/// How recordings are read and what they become.
struct SpeechOptions {
  std::string label = "any";
  std::string features = "log_mel";
  data::SpeechFeatures form{.mel = {.rate = 0}, .mfcc = false, .most_seconds = 10};
  data::AudioAugmentOptions augment;
};

/// A classifier of recordings: everything but the model, which the derived class makes.
class SpeechTask : public DatasetTask<data::AudioDataset> {
 public:
  void declare_data(OptionTable& options) override;
  void declare_model(OptionTable& options) override;
  /// For derived classes to call.
  void settle(const OptionTable& options, TrainingOptions& training) override;
  std::string source_help() const override {
    return "a folder or tar archive of recordings, also .gz; [0:800] or [!*_9.wav] behind it chooses some";
  }
  std::string noun() const override { return "recordings"; }
  std::string reading_note() const override;
  std::vector<std::string> media_types() const override {
    return {"audio/wav",  "audio/wave", "audio/x-wav", "audio/vnd.wave", "audio/flac",
            "audio/mpeg", "audio/ogg",  "audio/opus",  "audio/aiff"};
  }

  nn::Module& build(Device device) override;
  std::unique_ptr<BatchStream> stream(Part part, const StreamOptions& options) override;

  Explanation explain(Part part, int64_t example, int32_t predicted) override;
  /// The frames; one that is taken away has the mean of every feature.
  std::vector<double> unit_weights(Part part, int64_t example, int32_t predicted) override;
  Predictions without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) override;
  std::string colour_note() const override {
    return "Time runs to the right, pitch upwards. The redder, the more attention the moment gets.";
  }

  onnx::Value build_graph(onnx::Graph& graph) override;
  std::vector<nn::NamedTensor> graph_inputs(Part part, std::span<const int64_t> examples) const override;

 protected:
  /// A model for features of so many numbers a frame.
  virtual std::unique_ptr<nn::Module> make_model(int64_t bins, int64_t classes) = 0;
  /// `model` is what make_model made.
  virtual SpeechOutput forward(const nn::Module& model, const data::SpeechBatch& batch) const = 0;

  /// The logits as nodes of an ONNX graph.
  virtual onnx::Value emit(const nn::Module& model, const SpeechInputs& inputs) const;

  SpeechOptions& speech() { return speech_; }

 private:
  data::AudioDataset read(const std::string& source, const data::LabelFile& labels) const override;
  data::AudioDataset read_unlabelled(const std::vector<std::string>& sources) const override;
  data::AudioDataset read_contents(std::span<const std::string> contents) const override;
  data::SpeechBatch alone(Part part, int64_t example) const;
  void adopt_form(const data::AudioDataset& train) override;
  data::AudioForm form() const;

  SpeechOptions speech_;
  Device device_;
  std::optional<data::SpeechBatcher> batcher_;
  std::unique_ptr<nn::Module> model_;
};

}  // namespace fovea::train
