#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/tensor/creation.h"
#include "fovea/train/trainer.h"

// What of a Trainer goes into a checkpoint and comes back.
namespace fovea::train {

using Json = nlohmann::ordered_json;

Checkpoint Trainer::checkpoint() const {
  const Generator& random = default_generator();
  Json history = Json::array();
  for (const EpochRecord& record : history_) history.push_back(to_json(record));
  const Json state{{"epoch", epoch_},
                   {"batch", batch_ / options_.parts},
                   {"step", step_},
                   {"skipped", skipped_},
                   {"loss_scale", loss_scale()},
                   {"clean_steps", scaler_ ? scaler_->clean_steps() : 0},
                   {"loss_sum", loss_sum_},
                   {"correct", correct_},
                   {"examples", examples_},
                   {"seconds", seconds_of_epoch()},
                   {"best_epoch", best_epoch_},
                   {"random_seed", random.seed},
                   {"random_offset", random.offset},
                   {"history", history}};
  return {.model = model_.state_dict(),
          .optimizer = optimizer_.state_dict(),
          .best = best_,
          .averages = averages_ ? averages_->state_dict() : nn::StateDict(),
          .state = state.dump(),
          .run = options_.run};
}

void Trainer::save() {
  read_losses();
  const auto start = Clock::now();
  save_checkpoint(options_.checkpoint, checkpoint());
  last_save_ = Clock::now();
  save_seconds_ = std::chrono::duration<double>(last_save_ - start).count();
}

void Trainer::resume(const Checkpoint& checkpoint) {
  try {
    const Json state = Json::parse(checkpoint.state);
    std::vector<EpochRecord> history;
    for (const Json& record : state.at("history")) {
      history.push_back(epoch_record_from_json(record.get<std::string>()));
    }
    const auto epoch = state.at("epoch").get<int64_t>(), batch = state.at("batch").get<int64_t>(),
               best_epoch = state.at("best_epoch").get<int64_t>();
    if (epoch < 0 || batch < 0 || static_cast<size_t>(epoch) != history.size() || best_epoch < 0 ||
        best_epoch > epoch) {
      throw DataError("the checkpoint's counts do not fit together");
    }
    const Generator random{.seed = state.at("random_seed").get<uint64_t>(),
                           .offset = state.at("random_offset").get<uint64_t>()};
    std::optional<nn::GradScaler> scaler = scaler_;
    if (scaler) scaler->restore(state.at("loss_scale").get<double>(), state.at("clean_steps").get<int64_t>());
    const auto step = state.at("step").get<int64_t>(), skipped = state.at("skipped").get<int64_t>(),
               correct = state.at("correct").get<int64_t>(), examples = state.at("examples").get<int64_t>();
    const auto loss_sum = state.at("loss_sum").get<double>(), seconds = state.at("seconds").get<double>();
    if (averages_.has_value() == checkpoint.averages.empty()) {
      throw DataError(averages_ ? "the checkpoint has no averages of the weights"
                                : "the checkpoint is of a run that averages the weights");
    }
    nn::StateDict best;
    for (const auto& [name, tensor] : checkpoint.best) best.emplace(name, tensor);
    // What can be refused comes first: a trainer that was given another's checkpoint stands where it stood.
    const nn::StateDict before = optimizer_.state_dict();
    optimizer_.load_state_dict(checkpoint.optimizer);
    nn::StateDict averages;
    if (averages_) {
      for (const auto& [name, tensor] : averages_->state_dict()) averages.emplace(name, tensor.clone());
    }
    try {
      if (averages_) averages_->load_state_dict(checkpoint.averages);
      model_.load_state_dict(checkpoint.model);
    } catch (...) {
      optimizer_.load_state_dict(before);
      if (averages_) averages_->load_state_dict(averages);
      throw;
    }
    scaler_ = std::move(scaler);
    step_ = step;
    skipped_ = skipped;
    loss_sum_ = loss_sum;
    correct_ = correct;
    examples_ = examples;
    earlier_seconds_ = seconds;
    epoch_ = epoch;
    batch_ = batch * options_.parts;
    best_epoch_ = best_epoch;
    best_ = std::move(best);
    history_ = std::move(history);
    default_generator() = random;
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("not a trainer's state: {}", error.what()));
  } catch (const ValueError& error) {
    throw DataError(fmt::format("the checkpoint is of another model: {}", error.what()));
  }
}

}  // namespace fovea::train
