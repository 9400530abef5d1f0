#include "fovea/autograd/capture.h"

#include "capture/network.h"
#include "support/device.h"
#include "support/expect.h"

// What a captured step does with the gradients of leaves: it makes them, adds to them, or leaves them to others.
namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, CaptureGradientsAreThereAfterEachStep) {
  Tensor w = ones({3}, {f32, device()}).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(w * x).backward();
  });
  for (int i = 0; i < 5; ++i) {
    step(full({3}, i, {f32, device()}));
    EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(3, static_cast<float>(i)));
  }
}

TEST_P(OnEveryDevice, CaptureCopiesNoGradient) {
  Tensor w = ones({64, 64}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(matmul(x, w) * matmul(x, w)).backward();  // two gradients that are added up in place
  });
  const Tensor x = ones({2, 64}, options());
  for (int i = 0; i < 4; ++i) step(x);
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(64 * 64, 2 * 2 * 64));
  EXPECT_LT(step.stats().bytes, 2 * 64 * 64 * sizeof(float)) << "one gradient at most lies beside the one that stays";
}

TEST_P(OnEveryDevice, CaptureAddsToGradientsThatAreNotZeroed) {
  const auto sums = [&](bool captured) {
    Tensor w = ones({3}, {f32, device()}).set_requires_grad();
    const auto step = [&](const Tensor& x) { sum(w * x).backward(); };
    auto replayed = capture(step);
    for (int i = 0; i < 6; ++i) {
      const Tensor x = full({3}, i, {f32, device()});
      captured ? replayed(x) : step(x);
    }
    return w.grad().to_vector<float>();
  };
  EXPECT_EQ(sums(true), sums(false));
}

TEST_P(OnEveryDevice, CaptureSparseGradientsFollowTheirIndices) {
  const auto trained = [&](bool captured) {
    manual_seed(1);
    nn::EmbeddingBag bag(50, 4, {.sparse = true});
    bag.to(device());
    nn::SGD optimizer(bag, {.lr = 0.5});
    const auto step = [&](const Tensor& tokens) {
      optimizer.zero_grad();
      const Tensor loss = sum(square(bag.forward(tokens)));
      loss.backward();
      optimizer.step();
    };
    auto replayed = capture(step);
    for (int i = 0; i < 8; ++i) {
      const Tensor tokens = randint(0, 2 + 6 * i, {3, 5}).to(device());
      captured ? replayed(tokens) : step(tokens);
    }
    return bag.weight.to_vector<float>();
  };
  EXPECT_EQ(trained(true), trained(false));
}

TEST_P(OnEveryDevice, CaptureClipsTheSparseGradientsOfEachRun) {
  expect_alike([&](bool captured) {
    manual_seed(2);
    nn::EmbeddingBag bag(50, 4, {.sparse = true});
    nn::Linear layer(4, 3);
    for (nn::Module* module : {static_cast<nn::Module*>(&bag), static_cast<nn::Module*>(&layer)}) module->to(device());
    std::vector<Tensor> parameters = bag.parameters();
    for (const Tensor& p : layer.parameters()) parameters.push_back(p);
    nn::SGD optimizer(parameters, {.lr = 0.5});
    const auto step = [&](const Tensor& tokens) {
      optimizer.zero_grad();
      sum(square(layer.forward(bag.forward(tokens)))).backward();
      nn::clip_grad_value_(parameters, 0.6);
      const Tensor norm = nn::clip_grad_norm_(parameters, 1);
      nn::scale_grad_(parameters, 0.5);
      const Tensor after = nn::grad_norm(parameters);
      optimizer.step();
      return std::array{norm, after};
    };
    auto replayed = capture(step);
    std::vector<float> seen;
    for (int i = 0; i < 8; ++i) {
      const Tensor tokens = randint(0, 2 + 6 * i, {3, 5}).to(device());
      for (const Tensor& norm : captured ? replayed(tokens) : step(tokens)) seen.push_back(norm.item<float>());
    }
    EXPECT_EQ(replayed.stats().replays > 3, captured);
    for (const Tensor& p : parameters) {
      for (float value : p.to_vector<float>()) seen.push_back(value);
    }
    return seen;
  });
}

TEST_P(OnEveryDevice, CaptureLeavesGradientsToAnOptimizerOutside) {
  expect_alike([&](bool captured) {
    manual_seed(3);
    nn::Linear layer(3, 2);
    layer.to(device());
    nn::SGD optimizer(layer, {.lr = 0.1});
    const auto step = [&](const Tensor& x) {
      const Tensor loss = sum(square(layer.forward(x)));
      loss.backward();
      return loss.detach();
    };
    auto replayed = capture(step);
    std::vector<float> losses;
    for (int i = 0; i < 10; ++i) {
      optimizer.zero_grad();
      const Tensor x = full({1 + i % 2, 3}, 1 + i, options());  // two plans, whose gradients must not be mixed up
      losses.push_back((captured ? replayed(x) : step(x)).item<float>());
      nn::clip_grad_norm_(layer.parameters(), 0.5);
      optimizer.step();
    }
    return losses;
  });
}

TEST_P(OnEveryDevice, CaptureAccumulatesWhereTheGradientStands) {
  expect_alike([&](bool captured) {
    Tensor w = ones({2}, options()).set_requires_grad();
    const auto step = [&](const Tensor& x) { sum(w * x).backward(); };
    auto replayed = capture(step);
    std::vector<std::vector<float>> sums;
    for (int i = 0; i < 18; ++i) {
      if (i % 3 == 0) w.zero_grad();
      const Tensor x = full({2}, i, options());
      captured ? replayed(x) : step(x);
      sums.push_back(w.grad().to_vector<float>());
    }
    return sums;
  });
}

TEST_P(OnEveryDevice, CaptureReplaysStepsThatAccumulate) {
  for (const int parts : {1, 2, 3, 4}) {
    expect_alike([&](bool captured) {
      manual_seed(7);
      Network network(device());
      nn::Adam optimizer(network, {.lr = 0.01});
      const auto step = [&](const Tensor& x) {
        const Tensor loss = sum(square(network.forward(x)));
        loss.backward();
        return loss.detach();
      };
      auto replayed = capture(step);
      std::vector<float> losses;
      for (int i = 0; i < 24; ++i) {
        const Tensor x = full({3, 6}, i, options());
        losses.push_back((captured ? replayed(x) : step(x)).item<float>());
        if (i % parts != parts - 1) continue;
        nn::clip_grad_norm_(network.parameters(), 1);
        optimizer.step();
        optimizer.zero_grad();
      }
      if (captured) {
        EXPECT_EQ(replayed.stats().recordings, parts == 1 ? 2u : 4u) << parts;
      }
      return losses;
    });
  }
}

// Two steps in turns, as of a generator and its critic: what one leaves the other adds to, or drops.
TEST_P(OnEveryDevice, CaptureReplaysStepsThatAddToEachOthersGradients) {
  const auto trained = [&](bool captured) {
    manual_seed(11);
    nn::Linear maker(2, 4), critic(4, 1);
    maker.to(device());
    critic.to(device());
    nn::Adam of_maker(maker, {.lr = 1e-2}), of_critic(critic, {.lr = 1e-2});
    const auto judge = [&](const Tensor& x) {
      const Tensor loss =
          mean(softplus(-critic.forward(x))) + mean(softplus(critic.forward(maker.forward(x.slice(1, 2)).detach())));
      of_critic.zero_grad();
      loss.backward();
      of_critic.step();
    };
    const auto make = [&](const Tensor& z) {
      of_maker.zero_grad();
      mean(softplus(-critic.forward(maker.forward(z)))).backward();
      of_maker.step();
    };
    auto judged = capture(judge);
    auto made = capture(make);
    for (int i = 0; i < 8; ++i) {
      const Tensor x = randn({3, 4}).to(device()), z = randn({3, 2}).to(device());
      captured ? judged(x) : judge(x);
      captured ? made(z) : make(z);
    }
    if (captured) {
      EXPECT_EQ(judged.stats().replays, 6u);
      EXPECT_EQ(made.stats().replays, 6u);
    }
    std::vector<Tensor> weights = maker.parameters();
    for (const Tensor& each : critic.parameters()) {
      weights.push_back(each);
      weights.push_back(each.grad());
    }
    return weights;
  };
  const std::vector<Tensor> written = trained(false), replayed = trained(true);
  for (size_t i = 0; i < written.size(); ++i) {
    EXPECT_EQ(replayed[i].to_vector<float>(), written[i].to_vector<float>()) << i;
  }
}

// As for a penalty on gradients: the leaf by which the step differentiates is its own.
TEST_P(OnEveryDevice, CaptureReplaysStepsThatMakeLeaves) {
  const auto trained = [&](bool captured) {
    manual_seed(12);
    nn::Linear critic(2, 3);
    critic.to(device());
    nn::SGD optimizer(critic, {.lr = 0.1});
    const auto step = [&](const Tensor& x) {
      const Tensor at = x.clone().set_requires_grad();
      const Tensor slope = autograd::grad({sum(square(critic.forward(at)))}, {at}, {}, {.create_graph = true})[0];
      optimizer.zero_grad();
      (mean(square(slope)) + mean(critic.forward(at))).backward();
      optimizer.step();
    };
    auto replayed = capture(step);
    for (int i = 0; i < 6; ++i) {
      const Tensor x = randn({4, 2}).to(device());
      captured ? replayed(x) : step(x);
    }
    EXPECT_EQ(replayed.stats().replays, captured ? 4u : 0u);
    return critic.weight.to_vector<float>();
  };
  EXPECT_EQ(trained(true), trained(false));
}

TEST_P(OnEveryDevice, CaptureCountsShapesNotPlans) {
  Tensor w = ones({2}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) { sum(w * x).backward(); });
  for (int round = 0; round < 4; ++round) {
    for (int64_t rows = 1; rows <= 8; ++rows) {
      w.zero_grad();
      for (int part = 0; part < 2; ++part) step(ones({rows, 2}, options()));
      EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(2, 2.0F * static_cast<float>(rows)));
    }
  }
  EXPECT_EQ(step.stats().plans, 16u);
  EXPECT_EQ(step.stats().replays, 32u);
}

TEST_P(OnEveryDevice, CaptureAddsToAGradientInWhateverMemory) {
  Tensor v = ones({2}, options()).set_requires_grad(), w = ones({2}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) { sum(v * x + w * square(x)).backward(); });
  const auto put = [&](double a, double b) {
    v.set_grad(full({2}, a, options()));
    w.set_grad(full({2}, b, options()));
  };
  std::vector<Tensor> kept;
  for (int i = 0; i < 6; ++i) {
    put(10 * i, 20 * i);
    step(full({2}, 3, options()));
    EXPECT_EQ(v.grad().to_vector<float>(), std::vector<float>(2, 10.0F * i + 3));
    EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(2, 20.0F * i + 9));
    kept.push_back(v.grad());
  }
  EXPECT_EQ(kept[1].to_vector<float>(), std::vector<float>(2, 13));
  EXPECT_EQ(step.stats().replays, 4u);
  // One memory for both is another step, as is a gradient of another layout.
  const Tensor both = full({2}, 1, options());
  v.set_grad(both);
  w.set_grad(both);
  step(full({2}, 3, options()));
  EXPECT_EQ(both.to_vector<float>(), std::vector<float>(2, 13));
  v.set_grad(ones({4}, options()).slice(0, 0, 4, 2));
  w.set_grad(ones({2}, options()));
  step(full({2}, 3, options()));
  EXPECT_EQ(v.grad().to_vector<float>(), std::vector<float>(2, 4));
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(2, 10));
}

TEST_P(OnEveryDevice, CaptureAddsToAGradientThatIsPartOfAGraph) {
  expect_alike([&](bool captured) {
    Tensor w = full({2}, 2, options()).set_requires_grad();
    const auto step = [&](const Tensor& x) {
      autograd::backward({sum(w * square(x) * w)}, {}, {.create_graph = true});
      const Tensor g = w.grad().detach().clone();
      return g;
    };
    auto replayed = capture(step);
    std::vector<std::vector<float>> sums;
    for (int i = 0; i < 9; ++i) {
      if (i % 4 == 0) w.zero_grad();
      const Tensor x = full({2}, i, options());
      captured ? replayed(x) : step(x);
      sums.push_back(w.grad().to_vector<float>());
    }
    w.zero_grad();
    return sums;
  });
}

TEST_P(OnEveryDevice, CaptureLeavesAGradientAloneThatSomeoneKept) {
  Tensor w = ones({2}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(w * x).backward();
  });
  std::vector<Tensor> kept;
  for (int i = 0; i < 7; ++i) {
    step(full({2}, i, options()));
    kept.push_back(i % 2 == 0 ? w.grad() : w.grad().reshape({1, 2}));
  }
  for (int i = 0; i < 7; ++i) EXPECT_EQ(kept[i].to_vector<float>(), std::vector<float>(2, static_cast<float>(i)));
}

TEST_P(OnEveryDevice, CaptureLeavesAGradientAloneThatSomeoneKeptLater) {
  Tensor w = ones({2}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(square(w)).backward();  // the same commands in each run, until they have to write elsewhere
    return x * 2.0;
  });
  std::vector<Tensor> kept;
  for (int i = 0; i < 12; ++i) {
    w.detach().fill_(i);
    step(full({2}, i, options()));
    EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(2, 2.0F * i)) << i;
    if (i % 4 == 3) kept.push_back(w.grad());
  }
  for (size_t k = 0; k < kept.size(); ++k) {
    EXPECT_EQ(kept[k].to_vector<float>(), std::vector<float>(2, 8.0F * static_cast<float>(k) + 6)) << k;
  }
}

TEST_P(OnEveryDevice, CaptureShowsTheHostAGradientThatItHolds) {
  Tensor w = ones({2}, options()).set_requires_grad();
  std::vector<float> seen;
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(w * x).backward();
    each_run([&seen, g = w.grad()] { seen.push_back(g.to_vector<float>()[0]); });
  });
  for (int i = 0; i < 6; ++i) step(full({2}, i, options()));
  EXPECT_EQ(seen, (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST_P(OnEveryDevice, CaptureTellsGradientsApartThatLayTogether) {
  std::vector<std::vector<float>> ends;
  for (const bool captured : {false, true}) {
    Tensor a = ones({2}, options()).set_requires_grad(), b = ones({2}, options()).set_requires_grad();
    const auto f = [&](const Tensor& x) { sum(a * x + b * x * 2.0).backward(); };
    auto step = capture(f);
    a.set_grad(zeros({2}, options()));
    b.set_grad(a.grad());
    for (int i = 0; i < 10; ++i) {
      if (i == 6) a.set_grad(b.grad().clone());
      captured ? step(ones({2}, options())) : f(ones({2}, options()));
    }
    ends.push_back(concat({a.grad(), b.grad()}).to_vector<float>());
  }
  EXPECT_EQ(ends[0], (std::vector<float>{22, 22, 26, 26}));
  EXPECT_EQ(ends[1], ends[0]);
}

TEST_P(OnEveryDevice, CaptureMakesAGradientOfTheOneThatItMadeBefore) {
  std::vector<std::vector<float>> ends;
  for (const bool captured : {false, true}) {
    Tensor w = ones({2000}, options()).set_requires_grad();
    w.set_grad(arange(0, 2000, 1, options()));
    const auto f = [&](const Tensor& x) { w.set_grad(w.grad().flip(0) * 0.5 + x); };
    auto step = capture(f);
    for (int i = 0; i < 6; ++i) captured ? step(full({2000}, i, options())) : f(full({2000}, i, options()));
    ends.push_back(w.grad().to_vector<float>());
  }
  EXPECT_EQ(ends[1], ends[0]);
}

TEST_P(OnEveryDevice, CaptureReadsAGradientAfterTheLeafHasAnother) {
  std::vector<std::vector<float>> ends;
  for (const bool captured : {false, true}) {
    Tensor w = ones({2000}, options()).set_requires_grad();
    w.set_grad(arange(0, 2000, 1, options()));
    const auto f = [&](const Tensor& x) {
      const Tensor before = w.grad();
      w.set_grad(x * 3.0);
      return cumsum(before, 0) + w.grad();
    };
    auto step = capture(f);
    std::vector<float>& all = ends.emplace_back();
    for (int i = 0; i < 6; ++i) {
      const Tensor x = full({2000}, i, options());
      const std::vector<float> got = (captured ? step(x) : f(x)).to_vector<float>();
      all.insert(all.end(), got.begin(), got.end());
    }
  }
  EXPECT_EQ(ends[1], ends[0]);
}

TEST_P(OnEveryDevice, CaptureFollowsMemoryThatGrowsForAnotherShape) {
  const Tensor w = randn({4, 4}).to(device());
  auto step = capture([&](const Tensor& x) {
    const Tensor own = matmul(w, w) * 2.0;  // the same commands in each run
    return matmul(x, matmul(own, w));
  });
  for (const int64_t rows : {2, 3000, 2, 9000, 3000, 2}) {
    for (int i = 0; i < 4; ++i) {
      const Tensor x = randn({rows, 4}).to(device());
      EXPECT_CLOSE(step(x), matmul(x, matmul(matmul(w, w) * 2.0, w)), 0, 0) << rows;
    }
  }
}

TEST_P(OnEveryDevice, CaptureGivesGradientsToTheLeafThatWasGiven) {
  auto step = capture([](const Tensor& x) { sum(square(x)).backward(); });
  std::vector<Tensor> leaves;
  for (int i = 0; i < 6; ++i) {
    leaves.push_back(full({2}, i, options()).set_requires_grad());
    step(leaves.back());
  }
  for (int i = 0; i < 6; ++i) EXPECT_EQ(leaves[i].grad().to_vector<float>(), std::vector<float>(2, 2.0F * i));
  EXPECT_EQ(step.stats().replays, 4u);
  EXPECT_ERROR(step(leaves[0] * 2.0), "capture: argument 1 is part of a graph that began outside the step");
}

}  // namespace
}  // namespace fovea::test
