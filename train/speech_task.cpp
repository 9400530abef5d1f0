#include "fovea/train/speech_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "fovea/data/random_stream.h"
#include "fovea/onnx/operations.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/inference.h"
#include "fovea/train/picture.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

/// Features as a picture: a column a frame, the lowest bin at the bottom.
data::Image picture_of(const data::Frames& frames) {
  const auto [low, high] = std::minmax_element(frames.values.begin(), frames.values.end());
  const float scale = *high > *low ? 255 / (*high - *low) : 0;
  data::Image picture{1, frames.bins, frames.frames, std::vector<uint8_t>(frames.values.size())};
  for (int64_t t = 0; t < frames.frames; ++t) {
    for (int64_t b = 0; b < frames.bins; ++b) {
      const float value = frames.values[static_cast<size_t>(t * frames.bins + b)];
      picture.pixels[static_cast<size_t>((frames.bins - 1 - b) * frames.frames + t)] =
          static_cast<uint8_t>((value - *low) * scale + 0.5f);
    }
  }
  return picture;
}

/// A bar for each frame, as high as its attention.
std::string bars(const std::vector<double>& weights) {
  static constexpr const char* heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const double greatest = *std::max_element(weights.begin(), weights.end());
  std::string text;
  for (const double weight : weights) {
    text += heights[greatest > 0 ? std::clamp(static_cast<int>(8 * weight / greatest), 0, 7) : 0];
  }
  return text;
}

}  // namespace

void SpeechTask::declare_data(OptionTable& options) {
  DatasetTask::declare_data(options);
  options.add("label", &speech_.label,
              "what names a recording's class: its folder, its file's name up to the first of _-., or the folder where "
              "there are several; without --labels",
              {.choices = {"any", "folder", "name"}});
}

void SpeechTask::declare_model(OptionTable& options) {
  DatasetTask::declare_model(options);
  data::MelOptions& mel = speech_.form.mel;
  data::AudioAugmentOptions& augment = speech_.augment;
  options.group("Sound");
  options.add("rate", &mel.rate, "samples a second that the model hears; recordings of others are converted",
              {.min = 0, .max = 1e6, .default_text = "as the first recording"});
  options.add("max-seconds", &speech_.form.most_seconds, "how much of a recording is heard; 0 for all",
              {.min = 0, .max = 3600});
  options.add("features", &speech_.features, "what a frame is described by", {.choices = {"log_mel", "mfcc"}});
  options.add("mels", &mel.mels, "bands of pitch", {.min = 2, .max = 512});
  options.add("coefficients", &mel.coefficients, "numbers a frame of --features mfcc", {.min = 1, .max = 512});
  options.add("window", &mel.window, "seconds that a frame looks at", {.min = 0.001, .max = 1});
  options.add("hop", &mel.hop, "seconds from one frame to the next", {.min = 0.001, .max = 1});
  options.group("Augmentation");
  options.add("shift", &augment.shift, "most seconds that a recording is shifted", {.min = 0, .max = 60});
  options.add("noise", &augment.noise, "most noise that is added, as a share of the recording's own strength",
              {.min = 0, .max = 10});
  options.add("frequency-masks", &augment.frequency_masks, "bands that are hidden", {.min = 0, .max = 100});
  options.add("frequency-width", &augment.frequency_width, "most that one hides, as a share", {.min = 0, .max = 1});
  options.add("time-masks", &augment.time_masks, "stretches that are hidden", {.min = 0, .max = 100});
  options.add("time-width", &augment.time_width, "most that one hides, as a share", {.min = 0, .max = 1});
}

void SpeechTask::settle(const OptionTable&, TrainingOptions&) {
  refuse_unused(!labelled_by_file(), "label", speech_.label, SpeechOptions().label, "--labels");
  refuse_unused(speech_.features == "mfcc", "coefficients", speech_.form.mel.coefficients,
                SpeechOptions().form.mel.coefficients, "--features " + speech_.features);
}

data::AudioForm SpeechTask::form() const {
  data::AudioForm form{.rate = speech_.form.mel.rate, .label = data::LabelPlace::any};
  for (const auto place : {data::LabelPlace::folder, data::LabelPlace::name}) {
    if (speech_.label == data::name(place)) form.label = place;
  }
  return form;
}

std::string SpeechTask::reading_note() const {
  int64_t converted = 0;
  std::set<const data::AudioDataset*> sets;
  for (const Part part : {Part::train, Part::valid, Part::test}) {
    const data::AudioDataset* set = at(part).set.get();
    if (set && sets.insert(set).second) converted += set->converted;
  }
  const std::string note = DatasetTask::reading_note();
  if (converted == 0) return note;
  return fmt::format("{}{}{} recording{} converted to {} samples a second", note, note.empty() ? "" : ", ", converted,
                     converted == 1 ? "" : "s", speech_.form.mel.rate);
}

data::AudioDataset SpeechTask::read(const std::string& source, const data::LabelFile& labels) const {
  return data::load_audio(source, form(), labels);
}

data::AudioDataset SpeechTask::read_unlabelled(const std::vector<std::string>& sources) const {
  return data::load_unlabelled_audio(sources, form());
}

data::AudioDataset SpeechTask::read_contents(std::span<const std::string> contents) const {
  return data::decode_audio(contents, form());
}

void SpeechTask::adopt_form(const data::AudioDataset& train) {
  speech_.form.mel.rate = train.form.rate;
  speech_.label = data::name(train.form.label);
}

nn::Module& SpeechTask::build(Device device) {
  device_ = device;
  speech_.form.mfcc = speech_.features == "mfcc";
  if (speech_.form.mfcc && speech_.form.mel.coefficients > speech_.form.mel.mels) {
    refuse("--coefficients {} are more than --mels {}", speech_.form.mel.coefficients, speech_.form.mel.mels);
  }
  data::SpeechFeatures form = speech_.form;
  // Where they are not asked for, their number must only be one that there can be.
  if (!form.mfcc) form.mel.coefficients = std::min(form.mel.coefficients, form.mel.mels);
  try {
    batcher_.emplace(form);
  } catch (const ValueError& error) {
    refuse("--window {} and --hop {} do not fit {} samples a second", speech_.form.mel.window, speech_.form.mel.hop,
           speech_.form.mel.rate);
  }
  model_ = make_model(speech_.form.bins(), labels().size());
  model_->to(device);
  return *model_;
}

std::unique_ptr<BatchStream> SpeechTask::stream(Part part, const StreamOptions& options) {
  const Examples& examples = at(part);
  std::vector<int64_t> lengths;
  for (const int64_t row : examples.rows) {
    lengths.push_back(
        batcher_->frames(static_cast<int64_t>(examples.set->recordings[static_cast<size_t>(row)].size())));
  }
  data::BatchSamplerOptions sampling = options.sampler(examples.classes());
  sampling.bucket_batches = 8;
  data::BatchSampler sampler(std::move(lengths), sampling);
  const bool changes = part == Part::train && options.shuffle;
  auto loader = std::make_shared<data::DataLoader<data::SpeechBatch>>(
      std::move(sampler),
      [this, &examples, changes, seed = options.seed](std::span<const int64_t> chosen, int64_t epoch) {
        data::SpeechBatchOptions batching{.device = device_};
        if (changes) {
          batching.augment = speech_.augment;
          batching.seed = data::epoch_seed(seed, epoch);
        }
        data::SpeechBatch batch = batcher_->make(*examples.set, examples.labels, examples.rows_of(chosen), batching);
        batch.examples.assign(chosen.begin(), chosen.end());
        return batch;
      });
  return with_label_rows(
      part, std::make_unique<LoaderStream<data::SpeechBatch>>(
                std::move(loader), [this](const data::SpeechBatch& batch) { return forward(*model_, batch).logits; }));
}

data::SpeechBatch SpeechTask::alone(Part part, int64_t example) const {
  const int64_t row = at(part).row(example);
  return batcher_->make(*at(part).set, {}, std::span(&row, 1), {.device = device_});
}

Explanation SpeechTask::explain(Part part, int64_t example, int32_t) {
  const nn::Evaluating evaluating(*model_);
  const Examples& examples = at(part);
  const int64_t row = examples.row(example);
  const auto weights = forward(*model_, alone(part, example)).weights.to_vector<double>();

  const data::Frames frames = batcher_->features(examples.set->recordings[static_cast<size_t>(row)]);
  Explanation explanation = explain_picture(picture_of(frames), {1, static_cast<int64_t>(weights.size()), weights});
  explanation.text =
      fmt::format("0 s {} {:.2f} s", bars(weights), static_cast<double>(weights.size()) * batcher_->seconds_a_frame());
  Json moments = Json::array();
  for (size_t i = 0; i < weights.size(); ++i) {
    moments.push_back({{"seconds", static_cast<double>(i) * batcher_->seconds_a_frame()}, {"weight", weights[i]}});
  }
  explanation.json = Json{{"frames", std::move(moments)}}.dump();
  return explanation;
}

std::vector<double> SpeechTask::unit_weights(Part part, int64_t example, int32_t) {
  const nn::Evaluating evaluating(*model_);
  return forward(*model_, alone(part, example)).weights.to_vector<double>();
}

Predictions SpeechTask::without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) {
  const nn::Evaluating evaluating(*model_);
  const data::SpeechBatch one = alone(part, example);
  const int64_t time = one.features.size(1), bins = one.features.size(2);
  const auto frames = one.features.to_vector<float>();
  std::vector<float> variants;
  for (const std::vector<size_t>& each : removed) {
    variants.insert(variants.end(), frames.begin(), frames.end());
    float* variant = variants.data() + variants.size() - frames.size();
    // Features are standardised: 0 is the mean.
    for (const size_t frame : each) std::fill_n(variant + static_cast<int64_t>(frame) * bins, bins, 0.0f);
  }
  const auto count = static_cast<int64_t>(removed.size());
  data::SpeechBatch batch;
  batch.features = from_vector(variants, Shape{count, time, bins}, device_);
  batch.lengths = one.lengths.expand({count}).contiguous();
  batch.mask = one.mask.expand({count, time}).contiguous();
  const Tensor probabilities = probabilities_of(forward(*model_, batch).logits, multi_label());
  return {.classes = labels().size(), .probabilities = probabilities.to_vector<float>()};
}

onnx::Value SpeechTask::emit(const nn::Module&, const SpeechInputs&) const { refuse_without_emit(); }

onnx::Value SpeechTask::build_graph(onnx::Graph& graph) {
  SpeechInputs inputs;
  inputs.features = graph.input("features", onnx::Element::f32, {"batch", "time", speech_.form.bins()},
                                speech_.features + " of each frame, standardised over the recording, 0 past its end");
  inputs.lengths = graph.input("lengths", onnx::Element::i64, {"batch"}, "frames of each recording");
  inputs.mask = onnx::before(inputs.lengths, onnx::size(inputs.features, 1));
  return emit(*model_, inputs);
}

std::vector<nn::NamedTensor> SpeechTask::graph_inputs(Part part, std::span<const int64_t> examples) const {
  const data::SpeechBatch batch = batcher_->make(*at(part).set, {}, at(part).rows_of(examples));
  return {{"features", batch.features}, {"lengths", batch.lengths}};
}

}  // namespace fovea::train
