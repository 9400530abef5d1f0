#pragma once

#include "fovea/autograd/pooling.h"
#include "fovea/nn/module.h"

// The pools of fovea/autograd/pooling.h as modules, and other layers without parameters that change an image's shape.
namespace fovea::nn {

class MaxPool1d : public Module {
 public:
  explicit MaxPool1d(int64_t kernel, Pool1dOptions options = {}) : kernel_(kernel), options_(options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

 private:
  int64_t kernel_;
  Pool1dOptions options_;
};

class MaxPool2d : public Module {
 public:
  explicit MaxPool2d(Extent kernel, Pool2dOptions options = {}) : kernel_(kernel), options_(options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

 private:
  Extent kernel_;
  Pool2dOptions options_;
};

class AvgPool1d : public Module {
 public:
  explicit AvgPool1d(int64_t kernel, Pool1dOptions options = {}) : kernel_(kernel), options_(options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

 private:
  int64_t kernel_;
  Pool1dOptions options_;
};

class AvgPool2d : public Module {
 public:
  explicit AvgPool2d(Extent kernel, Pool2dOptions options = {}) : kernel_(kernel), options_(options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

 private:
  Extent kernel_;
  Pool2dOptions options_;
};

class AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(Extent output) : output_(output) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

 private:
  Extent output_;
};

/// Every element of an image repeated (nearest neighbour).
class Upsample : public Module {
 public:
  explicit Upsample(Extent factor) : factor_(factor) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

 private:
  Extent factor_;
};

/// Axes first to last joined into one: [batch, channels, height, width] to [batch, all].
class Flatten : public Module {
 public:
  explicit Flatten(int first = 1, int last = -1) : first_(first), last_(last) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

 private:
  int first_, last_;
};

}  // namespace fovea::nn
