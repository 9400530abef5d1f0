#pragma once

#include <initializer_list>
#include <memory>
#include <vector>

#include "fovea/fovea.h"

// What models are made of, beside the library's own layers.
namespace fovea::bench {

using Layers = std::initializer_list<nn::Layer>;
using Network = std::shared_ptr<nn::Sequential>;

inline Network sequence(Layers layers) { return std::make_shared<nn::Sequential>(layers); }

inline nn::Layer convolve(int64_t in, int64_t out, int64_t kernel, nn::Conv2dLayerOptions options = {}) {
  return nn::make<nn::Conv2d>(in, out, kernel, options);
}

inline nn::Layer convolve_1d(int64_t in, int64_t out, int64_t kernel, nn::Conv1dLayerOptions options = {}) {
  return nn::make<nn::Conv1d>(in, out, kernel, options);
}

/// A convolution, its channels normalised.
inline nn::Layer normed(int64_t in, int64_t out, int64_t kernel, nn::Conv2dLayerOptions options = {}) {
  options.bias = false;
  return sequence({convolve(in, out, kernel, options), nn::make<nn::BatchNorm2d>(out)});
}

inline Tensor same(const Tensor& x) { return x; }

/// Several ways from one input, joined.
struct Branches : nn::Module {
  using Join = Tensor (*)(const std::vector<Tensor>&);
  std::vector<nn::Layer> ways;
  Join join;

  Branches(Layers ways, Join join) : ways(ways), join(join) {
    for (size_t i = 0; i < this->ways.size(); ++i) {
      if (nn::Module* module = this->ways[i].module()) add(std::to_string(i), *module);
    }
  }
  Tensor forward(const Tensor& x) const {
    std::vector<Tensor> results;
    for (const nn::Layer& way : ways) results.push_back(way.forward(x));
    return join(results);
  }
};

inline nn::Layer residual(Layers body, nn::Layer skip = same) {
  return nn::make<Branches>(Layers{sequence(body), skip}, [](const std::vector<Tensor>& x) { return x[0] + x[1]; });
}

inline nn::Layer side_by_side(Layers ways) {
  return nn::make<Branches>(ways, [](const std::vector<Tensor>& x) { return concat(x, 1); });
}

/// A recurrent layer that gives its output alone.
template <class Recurrent>
struct Outputs : Recurrent {
  using Recurrent::Recurrent;
  Tensor forward(const Tensor& x) const { return Recurrent::forward(x).output; }
};

/// An LSTM that gives its last layer's last state alone.
struct LastState : nn::LSTM {
  using LSTM::LSTM;
  Tensor forward(const Tensor& x) const { return LSTM::forward(x).h.select(0, -1); }
};

}  // namespace fovea::bench
