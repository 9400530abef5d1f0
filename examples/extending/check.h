#pragma once

#include <fovea/fovea.h>

#include <cstdio>
#include <cstdlib>

/// Ends the program where `holds` is false, saying what should have held.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::exit(1);
}

/// Whether two tensors differ by no more than `within` anywhere.
inline bool close(const fovea::Tensor& a, const fovea::Tensor& b, double within) {
  const fovea::NoGrad off;
  const fovea::Tensor here = a.to(fovea::Device::cpu()), there = b.to(fovea::Device::cpu());
  return here.shape() == there.shape() && fovea::amax(fovea::abs(here - there)).item() <= within;
}

/// First and second derivatives against finite differences.
inline void check_derivatives(const fovea::autograd::Function& function, const std::vector<fovea::Tensor>& inputs) {
  const auto first = fovea::autograd::gradcheck(function, inputs);
  const auto second = fovea::autograd::gradgradcheck(function, inputs);
  check(static_cast<bool>(first), first.message.c_str());
  check(static_cast<bool>(second), second.message.c_str());
}

/// A normal f64 tensor that wants a gradient.
inline fovea::Tensor leaf(const fovea::Shape& shape) {
  return fovea::randn(shape, {.dtype = fovea::f64}).set_requires_grad();
}

/// The first Vulkan device where there is one, else the CPU.
inline fovea::Device any_device() {
  const auto found = fovea::list_vulkan_devices().devices;
  return !found.empty() && found[0].index == 0 ? fovea::Device::vulkan() : fovea::Device::cpu();
}
