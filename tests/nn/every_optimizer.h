#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "fovea/nn/optimizers.h"

namespace fovea::test {

using MakeOptimizer = std::function<std::unique_ptr<nn::Optimizer>(const nn::Parameters&)>;

template <class T, class Options>
MakeOptimizer make(Options options) {
  return [options](const nn::Parameters& parameters) { return std::make_unique<T>(parameters, options); };
}

/// Every optimizer in each of its kinds, by name.
inline const std::map<std::string, MakeOptimizer>& every_optimizer() {
  static const std::map<std::string, MakeOptimizer> makers{
      {"SGD", make<nn::SGD>(nn::SGDOptions{.lr = 0.05})},
      {"SGD decay", make<nn::SGD>(nn::SGDOptions{.lr = 0.05, .weight_decay = 0.01})},
      {"SGD momentum",
       make<nn::SGD>(nn::SGDOptions{.lr = 0.02, .momentum = 0.9, .dampening = 0.1, .weight_decay = 0.01})},
      {"SGD nesterov", make<nn::SGD>(nn::SGDOptions{.lr = 0.02, .momentum = 0.9, .nesterov = true})},
      {"Adam", make<nn::Adam>(nn::AdamOptions{.lr = 0.05})},
      {"Adam decay", make<nn::Adam>(nn::AdamOptions{.lr = 0.05, .weight_decay = 0.01})},
      {"AdamW", make<nn::AdamW>(nn::AdamWOptions{.lr = 0.05})},
      {"RMSprop", make<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.02})},
      {"RMSprop momentum", make<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.005, .momentum = 0.9})},
      {"RMSprop centered", make<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.02, .centered = true})},
      {"RMSprop both", make<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.005, .momentum = 0.9, .centered = true})},
      {"Adagrad", make<nn::Adagrad>(nn::AdagradOptions{.lr = 0.3})},
      {"Adagrad falling",
       make<nn::Adagrad>(nn::AdagradOptions{.lr = 0.5, .lr_decay = 0.01, .initial_accumulator = 0.1})},
      {"Adagrad decay", make<nn::Adagrad>(nn::AdagradOptions{.lr = 0.3, .weight_decay = 0.01})},
  };
  return makers;
}

}  // namespace fovea::test
