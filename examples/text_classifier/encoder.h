#pragma once

#include <fovea/fovea.h>

#include <memory>

#include "model_options.h"

/// What an encoder makes of a text.
struct Encoded {
  fovea::Tensor states;   // [batch, time, width], one for each token
  fovea::Tensor summary;  // [batch, width], where it was asked for: for a model without attention
};

/// The same in an ONNX graph.
struct EncodedValues {
  fovea::onnx::Value states, summary;
};

/// Reads embedded tokens [batch, time, embedding] in their order.
class Encoder : public fovea::nn::Module {
 public:
  virtual Encoded read(const fovea::Tensor& embedded, const fovea::train::TextBatch& batch, bool summary) const = 0;
  virtual EncodedValues emit(const fovea::onnx::Value& embedded, const fovea::train::TextInputs& inputs,
                             bool summary) const = 0;
  virtual int64_t width() const = 0;
};

/// A recurrent network of both directions; its summary is the last state of each.
/// A convolution of several widths side by side (Kim 2014); its summary the greatest value of each feature.
/// A Transformer (Vaswani et al. 2017); its summary the mean.
std::unique_ptr<Encoder> make_encoder(const ModelOptions& options);
