#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <set>
#include <thread>

#include "data/temp_folder.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/data/loader.h"
#include "fovea/nn/batch_norm.h"
#include "fovea/nn/dropout.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/optimizers.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/interrupt.h"
#include "fovea/train/trainer.h"
#include "one_rank.h"
#include "support/expect.h"
#include "thread_group.h"

namespace fovea::train {
namespace {

using test::as_ranks;

struct Sample {
  Tensor x, labels;
  std::vector<int64_t> examples;
};

struct Layers : nn::Module {
  nn::Linear hidden{4, 6}, output{6, 3};
  nn::Dropout dropout;
  explicit Layers(double p = 0) : dropout(p) {
    add("hidden", hidden);
    add("dropout", dropout);
    add("output", output);
  }
  Tensor forward(const Tensor& x) const { return output.forward(dropout.forward(relu(hidden.forward(x)))); }
};

class TrainerRanks : public ::testing::Test {
 protected:
  static constexpr int64_t examples = 45;  // the last batch of 8 has 5, of 11 it has 1: some rank gets nothing

  TrainerRanks() {
    manual_seed(1);
    x = randn({examples, 4});
    labels = randint(0, 3, {examples});
  }

  data::DataLoader<Sample> loader(int64_t batch_size, bool shuffle, ProcessGroup* group) const {
    StreamOptions options{.batch_size = batch_size, .shuffle = shuffle, .seed = 3};
    if (group) {
      options.rank = group->rank();
      options.ranks = group->size();
    }
    return data::DataLoader<Sample>(
        data::BatchSampler(examples, options.sampler({})), [this](std::span<const int64_t> chosen) {
          const std::vector<int32_t> rows(chosen.begin(), chosen.end());
          const Tensor index = from_vector(rows);
          return Sample{index_select(x, 0, index), index_select(labels, 0, index), {chosen.begin(), chosen.end()}};
        });
  }

  /// The weights after training from the same start, and what was noted of each epoch.
  std::vector<float> train(TrainerOptions options, int64_t batch_size, ProcessGroup* group = nullptr,
                           std::vector<EpochRecord>* history = nullptr, double dropout = 0) const {
    manual_seed(5);
    Layers model(dropout);
    nn::Adam optimizer(model, {.lr = 0.05});
    options.group = group;
    Trainer trainer(model, optimizer, options);
    auto learned = loader(batch_size, true, group), checked = loader(batch_size, false, group);
    const auto forward = [&](const Sample& sample) { return model.forward(sample.x); };
    auto train = stream(learned, forward), valid = stream(checked, forward);
    trainer.fit(train, &valid);
    if (history) *history = trainer.history();
    std::vector<float> weights;
    for (const Tensor& parameter : model.parameters()) {
      const auto values = parameter.to_vector<float>();
      weights.insert(weights.end(), values.begin(), values.end());
    }
    return weights;
  }

  /// Trains as ranks and alone.
  void expect_equal(const TrainerOptions& options, int64_t batch_size, double tolerance = 1e-4) const {
    std::vector<EpochRecord> alone;
    const std::vector<float> expected = train(options, batch_size, nullptr, &alone);
    for (const int ranks : {2, 3}) {
      std::vector<std::vector<float>> weights(static_cast<size_t>(ranks));
      std::vector<std::vector<EpochRecord>> histories(weights.size());
      as_ranks(ranks, [&](ProcessGroup& group) {
        const auto rank = static_cast<size_t>(group.rank());
        weights[rank] = train(options, batch_size, &group, &histories[rank]);
      });
      EXPECT_CLOSE(from_vector(weights[0]), from_vector(expected), tolerance, tolerance);
      for (size_t rank = 1; rank < weights.size(); ++rank) EXPECT_EQ(weights[rank], weights[0]) << "bit for bit";
      for (size_t epoch = 0; epoch < alone.size(); ++epoch) {
        for (const auto& history : histories) {
          EXPECT_EQ(history[epoch].step, alone[epoch].step);
          EXPECT_NEAR(history[epoch].loss, alone[epoch].loss, tolerance);
          if (options.multi_label) {
            EXPECT_NEAR(*history[epoch].valid_micro_f1, *alone[epoch].valid_micro_f1, 1e-9);
          } else {
            EXPECT_NEAR(history[epoch].accuracy, alone[epoch].accuracy, 1e-9);
          }
          EXPECT_NEAR(*history[epoch].valid_loss, *alone[epoch].valid_loss, tolerance);
          EXPECT_EQ(*history[epoch].valid_loss, *histories[0][epoch].valid_loss);
          EXPECT_NEAR(*history[epoch].valid_accuracy, *alone[epoch].valid_accuracy, 1e-9);
        }
      }
    }
  }

  Tensor x, labels;
};

TEST_F(TrainerRanks, LearnWhatOneProcessLearnsFromTheWholeBatches) {
  expect_equal({.epochs = 3, .clip = 0.5}, 8);
  expect_equal({.epochs = 3}, 11);  // 45 = 4 * 11 + 1
  expect_equal({.epochs = 3, .ema = 0.9}, 8);
}

TEST_F(TrainerRanks, AccumulateGradients) { expect_equal({.epochs = 3, .clip = 0.5, .accumulate = 3}, 4); }

TEST_F(TrainerRanks, CountLabelsThatTakePartAlone) {
  for (int64_t i = 0; i < examples; ++i) {
    if (i % 5 < 3) labels.slice(0, i, i + 1).fill_(-100);  // some shares of four examples have no label
  }
  expect_equal({.epochs = 3, .accumulate = 3}, 4);
}

TEST_F(TrainerRanks, LearnSeveralLabelsAnExample) {
  labels = gt(x.slice(1, 0, 3), 0.0).to(f32);
  expect_equal({.epochs = 3, .monitor = Monitor::micro_f1, .accumulate = 2, .multi_label = true}, 8);
  expect_equal({.epochs = 3, .class_weights = from_vector(std::vector<float>{3, 0.5f, 1}), .multi_label = true}, 11);
}

TEST_F(TrainerRanks, ScaleTheLossTogether) {
  std::vector<std::vector<float>> weights(3);
  std::vector<EpochRecord> history, alone;
  const TrainerOptions options{.epochs = 2, .precision = f16};
  as_ranks(3, [&](ProcessGroup& group) {
    weights[static_cast<size_t>(group.rank())] = train(options, 8, &group, group.first() ? &history : nullptr);
  });
  EXPECT_EQ(weights[1], weights[0]);
  EXPECT_EQ(weights[2], weights[0]);
  train(options, 8, nullptr, &alone);
  EXPECT_NEAR(*history.back().valid_loss, *alone.back().valid_loss, 0.1);
}

TEST_F(TrainerRanks, DrawNumbersOfTheirOwn) {
  std::vector<std::vector<float>> weights(2);
  const TrainerOptions options{.epochs = 2, .keep_best = false};
  as_ranks(2, [&](ProcessGroup& group) {
    weights[static_cast<size_t>(group.rank())] = train(options, 8, &group, nullptr, 0.5);
  });
  EXPECT_EQ(weights[0], weights[1]);
  std::vector<std::vector<float>> again(2);
  as_ranks(2, [&](ProcessGroup& group) {
    again[static_cast<size_t>(group.rank())] = train(options, 8, &group, nullptr, 0.5);
  });
  EXPECT_EQ(again[0], weights[0]);
  EXPECT_NE(train(options, 8, nullptr, nullptr, 0.5), weights[0]);
}

TEST_F(TrainerRanks, DrawFromAnotherSeedInEachStep) {
  std::vector<std::vector<uint64_t>> seeds(2);
  as_ranks(2, [&](ProcessGroup& group) {
    manual_seed(5);
    Layers model;
    nn::SGD optimizer(model, {.lr = 0.1});
    Trainer trainer(model, optimizer, {.epochs = 2, .group = &group});
    auto learned = loader(15, true, &group);
    auto train = stream(learned, [&](const Sample& sample) {
      if (grad_enabled()) seeds[static_cast<size_t>(group.rank())].push_back(default_generator().seed);
      return model.forward(sample.x);
    });
    trainer.fit(train);
  });
  ASSERT_EQ(seeds[0].size(), 6);
  ASSERT_EQ(seeds[1].size(), 6);
  std::set<uint64_t> all(seeds[0].begin(), seeds[0].end());
  all.insert(seeds[1].begin(), seeds[1].end());
  EXPECT_EQ(all.size(), 12);
}

TEST_F(TrainerRanks, AverageWhatBatchNormNotes) {
  std::vector<std::vector<float>> means(2);
  std::vector<Tensor> seen(2);
  as_ranks(2, [&](ProcessGroup& group) {
    const auto rank = static_cast<size_t>(group.rank());
    manual_seed(5);
    struct Normed : nn::Module {
      nn::BatchNorm1d norm{4};
      nn::Linear output{4, 3};
      Normed() {
        add("norm", norm);
        add("output", output);
      }
    } model;
    nn::SGD optimizer(model, {.lr = 0.1});
    Trainer trainer(model, optimizer, {.epochs = 1, .group = &group});
    auto learned = loader(examples, true, &group);  // one step
    auto train = stream(learned, [&](const Sample& s) {
      seen[rank] = s.x;
      return model.output.forward(model.norm.forward(s.x));
    });
    trainer.fit(train);
    means[rank] = model.norm.running_mean.to_vector<float>();
  });
  EXPECT_EQ(means[0], means[1]);
  const Tensor noted = (mean(seen[0], {0}) + mean(seen[1], {0})) * 0.5 * 0.1;
  EXPECT_CLOSE(from_vector(means[0]), noted, 1e-6, 1e-5);
}

TEST_F(TrainerRanks, RefuseToBeginInAnotherState) {
  const auto expect_refused = [&](const auto& change) {
    as_ranks(2, [&](ProcessGroup& group) {
      manual_seed(1);
      Layers model;
      TrainerOptions options{.group = &group};
      if (group.rank() == 1) change(model, options);
      nn::SGD optimizer(model, {.lr = 0.1});
      Trainer trainer(model, optimizer, options);
      auto learned = loader(8, true, &group);
      auto train = stream(learned, [&](const Sample& sample) { return model.forward(sample.x); });
      EXPECT_ERROR(trainer.fit(train), "rank 1 has other options, data or weights than rank 0");
    });
  };
  expect_refused([](Layers& model, TrainerOptions&) { model.hidden.weight.detach().fill_(0); });
  expect_refused([](Layers& model, TrainerOptions&) { model.output.bias.detach().fill_(0); });
  expect_refused([](Layers&, TrainerOptions& options) { options.run = "another"; });
}

TEST_F(TrainerRanks, EndTogetherWhenTheTimeOfOneIsOver) {
  for (const int late : {0, 1}) {
    as_ranks(2, [&](ProcessGroup& group) {
      manual_seed(1);
      Layers model;
      nn::SGD optimizer(model, {.lr = 0.1});
      Trainer trainer(model, optimizer, {.max_minutes = group.rank() == late ? 1e-9 : 0, .group = &group});
      auto learned = loader(8, true, &group);
      auto train = stream(learned, [&](const Sample& sample) { return model.forward(sample.x); });
      EXPECT_EQ(trainer.fit(train), Ending::out_of_time);
      EXPECT_EQ(trainer.steps(), 1);
    });
  }
}

/// A rank without others, which are lost once `lost` says so.
class Forsaken final : public test::OneRank {
 public:
  explicit Forsaken(std::function<bool()> lost) : lost_(std::move(lost)) {}
  void all_reduce(std::span<double>) override {
    if (lost_()) throw RanksLostError("rank 1 is gone");
  }

 private:
  std::function<bool()> lost_;
};

TEST_F(TrainerRanks, WhoLosesTheOthersSavesTheLastWholeStep) {
  const data::testing::TempFolder folder;
  struct End {
    std::vector<float> weights;
    std::vector<EpochRecord> history;
  };
  const auto run = [&](int64_t lost_behind, const std::string& checkpoint, bool resumes = false) {
    const Trainer* running = nullptr;
    Forsaken group([&] { return running->steps() == lost_behind; });
    manual_seed(5);
    Layers model(0.5);
    nn::Adam optimizer(model, {.lr = 0.05});
    Trainer trainer(model, optimizer, {.epochs = 3, .checkpoint = checkpoint, .group = &group});
    running = &trainer;
    if (resumes) trainer.resume(load_checkpoint(checkpoint));
    EXPECT_EQ(trainer.steps(), resumes ? 8 : 0);
    auto learned = loader(8, true, nullptr);
    auto train = stream(learned, [&](const Sample& sample) { return model.forward(sample.x); });
    trainer.fit(train);
    return End{model.hidden.weight.to_vector<float>(), trainer.history()};
  };
  EXPECT_ERROR(run(8, ""), "rank 1 is gone");
  const End whole = run(-1, "");
  EXPECT_ERROR(run(8, folder / "checkpoint"), "rank 1 is gone; saved behind step 8, the same command with --resume");
  const End resumed = run(-1, folder / "checkpoint", true);
  EXPECT_EQ(resumed.weights, whole.weights);
  ASSERT_EQ(resumed.history.size(), whole.history.size());
  for (size_t epoch = 0; epoch < whole.history.size(); ++epoch) {
    EXPECT_EQ(resumed.history[epoch].step, whole.history[epoch].step);
    EXPECT_NEAR(resumed.history[epoch].loss, whole.history[epoch].loss, 1e-6);
    EXPECT_NEAR(resumed.history[epoch].accuracy, whole.history[epoch].accuracy, 1e-9);
  }
}

TEST_F(TrainerRanks, EndBehindTheStepInWhichOneIsInterrupted) {
  manual_seed(1);
  Layers model;
  nn::SGD optimizer(model, {.lr = 0.1});
  Forsaken group([] { return false; });
  Trainer trainer(model, optimizer, {.group = &group});
  auto learned = loader(8, true, nullptr);
  auto train = stream(learned, [&](const Sample& sample) {
    if (trainer.steps() == 2) std::raise(SIGINT);
    return model.forward(sample.x);
  });
  EXPECT_EQ(trainer.fit(train), Ending::interrupted);
  EXPECT_EQ(trainer.steps(), 3);
}

TEST_F(TrainerRanks, GuardsOfManyThreadsLeaveNoSignalBehind) {
  const auto guard_often = [] {
    for (int i = 0; i < 20000; ++i) const InterruptGuard guard;
  };
  std::thread beside(guard_often);
  guard_often();
  beside.join();
  {
    const InterruptGuard guard;
    EXPECT_FALSE(InterruptGuard::requested());
    std::raise(SIGINT);
    EXPECT_TRUE(InterruptGuard::requested());
  }
  const InterruptGuard next;
  EXPECT_FALSE(InterruptGuard::requested());
}

}  // namespace
}  // namespace fovea::train
