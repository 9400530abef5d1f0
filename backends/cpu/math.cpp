#include "fovea/backends/cpu/math.h"

#include <cmath>
#include <limits>

namespace fovea::cpu {
namespace {

template <class T, class F>
void each(const T* x, T* y, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

template <class T, class F>
T total(int64_t n, F term) {
  T partial[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int64_t k = 0; k < 8; ++k) partial[k] += term(i + k);
  }
  for (; i < n; ++i) partial[i % 8] += term(i);
  return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
         ((partial[1] + partial[5]) + (partial[3] + partial[7]));
}

template <class T>
T greatest(const T* x, int64_t n) {
  T best = -std::numeric_limits<T>::infinity();
  for (int64_t i = 0; i < n; ++i) best = x[i] > best || x[i] != x[i] ? x[i] : best;
  return best;
}

}  // namespace

void exp(const float* x, float* y, int64_t n) {
  each(x, y, n, [](float v) { return std::exp(v); });
}
void exp(const double* x, double* y, int64_t n) {
  each(x, y, n, [](double v) { return std::exp(v); });
}
void log(const float* x, float* y, int64_t n) {
  each(x, y, n, [](float v) { return std::log(v); });
}
void log(const double* x, double* y, int64_t n) {
  each(x, y, n, [](double v) { return std::log(v); });
}
void tanh(const float* x, float* y, int64_t n) {
  each(x, y, n, [](float v) { return std::tanh(v); });
}
void tanh(const double* x, double* y, int64_t n) {
  each(x, y, n, [](double v) { return std::tanh(v); });
}
void sigmoid(const float* x, float* y, int64_t n) {
  each(x, y, n, [](float v) { return 1 / (1 + std::exp(-v)); });
}
void sigmoid(const double* x, double* y, int64_t n) {
  each(x, y, n, [](double v) { return 1 / (1 + std::exp(-v)); });
}
void erf(const float* x, float* y, int64_t n) {
  each(x, y, n, [](float v) { return std::erf(v); });
}
void erf(const double* x, double* y, int64_t n) {
  each(x, y, n, [](double v) { return std::erf(v); });
}

float exp_shifted(const float* x, float shift, float* y, int64_t n) {
  return total<float>(n, [=](int64_t i) { return y[i] = std::exp(x[i] - shift); });
}
double exp_shifted(const double* x, double shift, double* y, int64_t n) {
  return total<double>(n, [=](int64_t i) { return y[i] = std::exp(x[i] - shift); });
}
float sum_exp(const float* x, float shift, int64_t n) {
  return total<float>(n, [=](int64_t i) { return std::exp(x[i] - shift); });
}
double sum_exp(const double* x, double shift, int64_t n) {
  return total<double>(n, [=](int64_t i) { return std::exp(x[i] - shift); });
}

float maximum(const float* x, int64_t n) { return greatest(x, n); }
double maximum(const double* x, int64_t n) { return greatest(x, n); }
float sum(const float* x, int64_t n) {
  return total<float>(n, [=](int64_t i) { return x[i]; });
}
double sum(const double* x, int64_t n) {
  return total<double>(n, [=](int64_t i) { return x[i]; });
}
float dot(const float* x, const float* y, int64_t n) {
  return total<float>(n, [=](int64_t i) { return x[i] * y[i]; });
}
double dot(const double* x, const double* y, int64_t n) {
  return total<double>(n, [=](int64_t i) { return x[i] * y[i]; });
}

}  // namespace fovea::cpu
