#include <gtest/gtest.h>

#include "every_optimizer.h"
#include "fovea/autograd/sparse_rows.h"
#include "layer_checks.h"

// Optimizers and gradients by rows.
namespace fovea {
namespace {

using nn::SGD;
using test::every_optimizer;

/// A table of 6 rows and a gradient for three of them, dense or by rows.
struct RowTable {
  Tensor parameter = test::random({6, 4}).set_requires_grad();

  void set_gradient(bool sparse, uint64_t seed) {
    const Tensor index = from_vector(std::vector<int32_t>{0, 3, 5}), values = test::random({3, 4}, {}, seed);
    const RowSparse rows{index.buffer(), values.buffer(), 3};
    parameter.zero_grad();
    if (sparse) {
      parameter.set_sparse_grad(rows);
    } else {
      parameter.set_grad(autograd::to_dense(rows, parameter));
    }
  }
};

TEST(Optimizer, SparseGradientsEqualDenseOnes) {
  for (const auto& [name, make] : every_optimizer()) {
    if (name.starts_with("Adam")) continue;  // lazy: see below
    SCOPED_TRACE(name);
    RowTable dense, sparse;
    const auto a = make(std::vector<Tensor>{dense.parameter}), b = make(std::vector<Tensor>{sparse.parameter});
    for (uint64_t i = 0; i < 4; ++i) {
      dense.set_gradient(false, i);
      sparse.set_gradient(true, i);
      a->step();
      b->step();
    }
    EXPECT_CLOSE(sparse.parameter.detach(), dense.parameter.detach(), 1e-6, 1e-6);
  }
}

TEST(Optimizer, AdamTouchesOnlyTheRowsThatHaveAGradient) {
  for (const char* name : {"Adam", "Adam decay", "AdamW"}) {
    SCOPED_TRACE(name);
    RowTable dense, sparse;
    const Tensor before = sparse.parameter.detach().clone();
    const auto a = every_optimizer().at(name)(std::vector<Tensor>{dense.parameter}),
               b = every_optimizer().at(name)(std::vector<Tensor>{sparse.parameter});
    for (uint64_t i = 0; i < 4; ++i) {
      dense.set_gradient(false, i);
      sparse.set_gradient(true, i);
      a->step();
      b->step();
    }
    const Tensor touched = from_vector(std::vector<int32_t>{0, 3, 5}),
                 others = from_vector(std::vector<int32_t>{1, 2, 4});
    EXPECT_CLOSE(index_select(sparse.parameter.detach(), 0, touched),
                 index_select(dense.parameter.detach(), 0, touched), 1e-5, 1e-5);
    EXPECT_CLOSE(index_select(sparse.parameter.detach(), 0, others), index_select(before, 0, others), 0, 0);
  }
}

TEST(Optimizer, AddsUpAGradientByRowsAndADenseOne) {
  for (const auto& [name, make] : every_optimizer()) {
    SCOPED_TRACE(name);
    RowTable dense, both;
    dense.set_gradient(false, 1);
    both.set_gradient(true, 1);
    both.parameter.set_grad(full({6, 4}, 0.5));
    dense.parameter.set_grad(dense.parameter.grad() + 0.5);
    make(std::vector<Tensor>{dense.parameter})->step();
    make(std::vector<Tensor>{both.parameter})->step();
    EXPECT_CLOSE(both.parameter.detach(), dense.parameter.detach(), 1e-6, 1e-6);
    EXPECT_CLOSE(both.parameter.grad(), full({6, 4}, 0.5), 0, 0);
  }
}

TEST(Optimizer, TakesASparseGradientWithoutRows) {
  Tensor p = ones({3, 2}).set_requires_grad();
  SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  p.set_sparse_grad(RowSparse{zeros({0}, {.dtype = i32}).buffer(), zeros({0, 2}).buffer(), 0});
  optimizer.step();
  EXPECT_CLOSE(p.detach(), ones({3, 2}), 0, 0);
}

}  // namespace
}  // namespace fovea
