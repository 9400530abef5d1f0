#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fovea/data/image_batch.h"
#include "fovea/train/dataset_task.h"

namespace fovea::train {

struct ImageOutput {
  Tensor logits;   // [batch, classes]
  Tensor weights;  // [batch, rows, columns], the attention to each part of the picture; each picture's sum is 1
};

/// How pictures are read and what they become.
struct ImageOptions {
  data::ImageForm form;
  data::ImageAugmentOptions augment;
  double mixup = 0;
};

/// A classifier of pictures: everything but the model, which the derived class makes.
class ImageTask : public DatasetTask<data::ImageDataset> {
 public:
  void declare_model(OptionTable& options) override;
  std::string source_help() const override {
    return "a folder with one folder of PNG or JPEG files for each class, or of files that --labels tells of, or an "
           "IDX "
           "or npy file beside that of its labels, also .gz; [0:8000] or [!*_9.png] behind it chooses some";
  }
  std::string noun() const override { return "pictures"; }
  std::vector<std::string> media_types() const override { return {"image/png", "image/jpeg"}; }

  nn::Module& build(Device device) override;
  std::unique_ptr<BatchStream> stream(Part part, const StreamOptions& options) override;

  Explanation explain(Part part, int64_t example, int32_t predicted) override;
  /// The cells of the attention's grid; without one the picture has its mean colour there.
  std::vector<double> unit_weights(Part part, int64_t example, int32_t predicted) override;
  Predictions without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) override;
  std::string colour_note() const override { return "The redder, the more attention the place gets."; }

  onnx::Value build_graph(onnx::Graph& graph) override;
  std::vector<nn::NamedTensor> graph_inputs(Part part, std::span<const int64_t> examples) const override;

 protected:
  virtual std::unique_ptr<nn::Module> make_model(const data::ImageForm& form, int64_t classes) = 0;
  /// `model` is what make_model made, `images` as in ImageBatch.
  virtual ImageOutput forward(const nn::Module& model, const Tensor& images) const = 0;

  /// The logits as nodes of an ONNX graph; `images` [batch, channels, height, width].
  virtual onnx::Value emit(const nn::Module& model, const onnx::Value& images) const;

  ImageOptions& image() { return image_; }

 private:
  data::ImageDataset read(const std::string& source, const data::LabelFile& labels) const override;
  data::ImageDataset read_unlabelled(const std::vector<std::string>& sources) const override {
    return data::load_unlabelled_images(sources, image_.form);
  }
  data::ImageDataset read_contents(std::span<const std::string> contents) const override {
    return data::decode_images(contents, image_.form);
  }
  data::ImageBatch alone(Part part, int64_t example) const;
  void adopt_form(const data::ImageDataset& train) override { image_.form = train.form; }

  ImageOptions image_;
  Device device_;
  std::unique_ptr<nn::Module> model_;
};

}  // namespace fovea::train
