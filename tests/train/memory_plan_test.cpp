#include "fovea/train/memory_plan.h"

#include <gtest/gtest.h>

#include "fovea/autograd/reductions.h"
#include "fovea/backends/memory_limit.h"
#include "fovea/nn/dropout.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/transformer.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

/// Sequences of random vectors through a transformer; the longest has 64.
class SequenceTask final : public ClassifierTask {
 public:
  struct Model : nn::Module {
    nn::TransformerEncoder encoder{32, 2, 3, {.feedforward = 64, .dropout = 0}};
    nn::Linear output{32, 2};
    Model() {
      add("encoder", encoder);
      add("output", output);
    }
  };
  struct Item {
    Tensor labels;
    std::vector<int64_t> examples;
  };
  static constexpr int64_t count = 120;
  static int64_t length(int64_t example) { return 1 + example * 7 % 64; }

  void declare_data(OptionTable&) override {}
  void declare_model(OptionTable&) override {}
  void settle(const OptionTable&, TrainingOptions&) override {}
  void load_training(const TrainingFiles&) override {}
  void load_test(const std::string&) override {}
  std::vector<std::string> set_inputs(const std::vector<std::string>&) override { return {}; }
  std::string input_kind() const override { return "file"; }
  const data::Labels& labels() const override { return labels_; }
  int64_t size(Part part) const override { return part == Part::test ? 0 : count; }
  int32_t truth(Part, int64_t example) const override { return static_cast<int32_t>(example % 2); }
  uint64_t fingerprint() const override { return 0; }
  std::string noun() const override { return "sequences"; }
  Explanation explain(Part, int64_t, int32_t) override { return {}; }
  std::string colour_note() const override { return {}; }
  void save(const std::string&) const override {}
  void restore(const std::string&, data::Labels) override {}
  nn::Module& build(Device) override {
    manual_seed(4);
    model = std::make_unique<Model>();
    return *model;
  }
  std::unique_ptr<BatchStream> stream(Part, const StreamOptions& options) override {
    std::vector<int64_t> lengths;
    for (int64_t i = 0; i < count; ++i) lengths.push_back(length(i));
    auto loader = std::make_shared<data::DataLoader<Item>>(
        data::BatchSampler(std::move(lengths), options.sampler({})), [this](std::span<const int64_t> chosen) {
          std::vector<int32_t> truths;
          for (const int64_t example : chosen) truths.push_back(truth(Part::train, example));
          return Item{from_vector(truths), {chosen.begin(), chosen.end()}};
        });
    return std::make_unique<LoaderStream<Item>>(std::move(loader), [this](const Item& item) {
      int64_t longest = 0;
      for (const int64_t example : item.examples) longest = std::max(longest, length(example));
      std::vector<float> values;
      for (const int64_t example : item.examples) {
        for (int64_t i = 0; i < longest * 32; ++i) {
          const auto step = static_cast<float>((example * 31 + i * 17) % 101) / 101;
          values.push_back(i < 32 * length(example) ? step - 0.5f * static_cast<float>(example % 2) : 0.0f);
        }
      }
      const auto batch = static_cast<int64_t>(item.examples.size());
      const Tensor x = from_vector(values, {batch, longest, 32});
      // What stands behind the end takes no part, whatever the length of the batch.
      std::vector<bool> there;
      for (const int64_t example : item.examples) {
        for (int64_t t = 0; t < longest; ++t) there.push_back(t < length(example));
      }
      const Tensor mask = from_vector(there, {batch, longest});
      const Tensor states = model->encoder.forward(x, {.key_padding_keep = mask});
      return model->output.forward(nn::dropout(states.select(1, 0), model->training() ? dropout : 0));
    });
  }

  std::unique_ptr<Model> model;
  double dropout = 0;

 private:
  data::Labels labels_ = data::Labels::in_order({"even", "odd"});
};

class MemoryPlanTest : public ::testing::Test {
 protected:
  ~MemoryPlanTest() override { set_memory_limit(Device::Kind::cpu, 0); }

  TrainingOptions training() const {
    TrainingOptions options;
    options.batch_size = 60;
    options.epochs = 2;
    options.optimizer = "sgd";
    options.lr = 0.05;
    options.schedule = "constant";
    return options;
  }
  static size_t live() { return backend(Device::cpu()).memory().live; }

  /// The plan for a budget beyond what is held already, and the weights after training by it; the budget bounds it.
  MemoryPlan train(size_t budget, std::vector<Tensor>* weights, double ema = 0) {
    SequenceTask task;
    nn::Module& model = task.build(Device::cpu());
    TrainingOptions options = training();
    options.ema = ema;
    MemoryPlan plan{.inference_size = 120};
    TrainerOptions trainer_options = options.trainer();
    trainer_options.keep_best = false;
    if (budget > 0) {
      backend(Device::cpu()).set_cache_limit(0);  // what other tests left
      plan = plan_memory(
          {.task = task, .model = model, .training = options, .trainer = trainer_options, .device = Device::cpu()},
          live() + budget);
    }
    trainer_options.parts = plan.parts;
    const auto optimizer = options.make_optimizer(model);
    Trainer trainer(model, *optimizer, trainer_options);
    StreamOptions stream = options.training_stream();
    stream.parts = plan.parts;
    const auto batches = task.stream(Part::train, stream);
    trainer.fit(*batches);
    EXPECT_EQ(trainer.steps(), 4);
    set_memory_limit(Device::Kind::cpu, 0);
    if (weights) {
      for (const Tensor& parameter : model.parameters()) weights->push_back(parameter.detach());
    }
    return plan;
  }
};

TEST_F(MemoryPlanTest, LearnsTheSameInLessMemory) {
  std::vector<Tensor> whole;
  train(0, &whole);
  const MemoryPlan ample = train(size_t{1} << 30, nullptr);
  EXPECT_EQ(ample.parts, 1);
  EXPECT_FALSE(ample.recompute);
  EXPECT_EQ(ample.inference_size, 120);

  int64_t parts = 1;
  bool recomputed = false;
  for (const size_t mebibytes : {24, 12, 6, 3, 2}) {
    std::vector<Tensor> weights;
    const MemoryPlan plan = train(mebibytes << 20, &weights);
    EXPECT_GE(plan.parts, plan.recompute ? 1 : parts) << mebibytes;
    parts = plan.parts;
    recomputed = plan.recompute;
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_CLOSE(weights[i], whole[i], 1e-4, 1e-5);
  }
  EXPECT_GT(parts, 1);
  EXPECT_TRUE(recomputed) << "the least budget asks for it";
  EXPECT_THROW(train(size_t{100} << 10, nullptr), UsageError);
}

TEST_F(MemoryPlanTest, CountsAveragesOfTheWeights) {
  std::vector<Tensor> whole, parts;
  train(0, &whole, 0.5);
  EXPECT_GT(train(size_t{3} << 20, &parts, 0.5).parts, 1);
  for (size_t i = 0; i < parts.size(); ++i) EXPECT_CLOSE(parts[i], whole[i], 1e-4, 1e-5);
  const auto fits = [&](size_t budget, double ema) {
    try {
      train(budget, nullptr, ema);
      return true;
    } catch (const UsageError&) {
      return false;
    }
  };
  // The weights take 100 KiB: where a run only just fits without averages, it does not with them. One thread, since room for
  // the work of each would count at this size, and a plan may be made while another thread is away.
  const int threads = num_threads();
  set_num_threads(1);
  constexpr size_t step = size_t{16} << 10;
  size_t small = size_t{100} << 10, large = size_t{2} << 20;
  ASSERT_TRUE(fits(large, 0));
  while (large - small > step) {
    const size_t middle = small + (large - small) / 2;
    (fits(middle, 0) ? large : small) = middle;
  }
  EXPECT_FALSE(fits(large, 0.5));
  EXPECT_TRUE(fits(large + 4 * 100 * 1024, 0.5));
  set_num_threads(threads);
}

TEST_F(MemoryPlanTest, LeavesModelAndRandomNumbersAsTheyWere) {
  SequenceTask task;
  task.dropout = 0.1;
  nn::Module& model = task.build(Device::cpu());
  std::vector<Tensor> before;
  for (const Tensor& parameter : model.parameters()) before.push_back(parameter.detach().clone());
  manual_seed(9);
  const TrainingOptions options = training();
  plan_memory(
      {.task = task, .model = model, .training = options, .trainer = options.trainer(), .device = Device::cpu()},
      live() + (size_t{8} << 20));
  EXPECT_EQ(default_generator().seed, 9u);
  EXPECT_EQ(default_generator().offset, 0u);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_CLOSE(model.parameters()[i].detach(), before[i], 0, 0);
    EXPECT_FALSE(model.parameters()[i].grad().defined());
  }
}

TEST(Bytes, AreReadAndShown) {
  EXPECT_EQ(parse_bytes("512MiB"), size_t{512} << 20);
  EXPECT_EQ(parse_bytes("1.5 GiB"), size_t{3} << 29);
  EXPECT_EQ(parse_bytes("64KB"), 64000u);
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  for (const char* text : {"", "MiB", "0", "-1MiB", "5 miles", "1e30GiB", "nanMiB"}) {
    EXPECT_THROW(parse_bytes(text), UsageError) << text;
  }
  EXPECT_EQ(bytes_text(size_t{512} << 20), "512 MiB");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
}

}  // namespace
}  // namespace fovea::train
