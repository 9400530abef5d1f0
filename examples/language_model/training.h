#pragma once

#include <fovea/fovea.h>

#include <optional>
#include <string>
#include <vector>

#include "corpus.h"
#include "fovea/train/model_folder.h"
#include "fovea/train/run_identity.h"
#include "model_options.h"

/// The `train` command: reads a text, trains, shows how it goes, writes the model's folder; goes on with an interrupted
/// run.
class Training {
 public:
  Training();
  void declare(fovea::train::OptionTable& options);
  /// Returns the exit status. Throws UsageError, DataError; until all input has been read nothing is written.
  int run(fovea::train::OptionTable& options);

 private:
  /// What a run in the folder left, whose options are taken over: one to go on with or one that is complete.
  struct Earlier {
    std::optional<fovea::train::Checkpoint> checkpoint;
    std::optional<fovea::train::ModelConfig> finished;
  };
  /// The texts by the ids of their characters.
  struct Corpus {
    Characters characters;
    std::vector<int32_t> learned, held_out;
    uint64_t fingerprint;  // of the texts

    int64_t count() const { return static_cast<int64_t>(learned.size()); }
    int64_t checked() const { return static_cast<int64_t>(held_out.size()); }
    bool checks() const { return checked() >= 2; }
    /// "2000 characters held out".
    std::string tested() const;
  };
  /// What training came to.
  struct Outcome {
    fovea::train::Ending ending;
    fovea::train::Score score;
  };
  Earlier settle(fovea::train::OptionTable& options) const;
  Corpus read() const;
  Outcome fit(fovea::nn::CausalLM& model, const Corpus& corpus, fovea::Device device, fovea::train::Trainer& trainer,
              fovea::train::Progress& progress, fovea::train::TensorBoard& board) const;
  void write(const fovea::train::RunIdentity& run, fovea::nn::CausalLM& model, const Corpus& corpus,
             const fovea::train::Trainer& trainer, const Outcome& outcome, fovea::train::TensorBoard& board) const;
  void tell(const Corpus& corpus, const fovea::train::Trainer& trainer, const Outcome& outcome, double seconds,
            fovea::train::Progress& progress) const;

  std::string train_, valid_, out_, config_;
  double hold_out_ = 0.1;
  ModelOptions model_;
  fovea::train::TrainingOptions training_;
  fovea::train::RunOptions run_;
};
