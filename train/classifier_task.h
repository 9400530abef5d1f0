#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fovea/data/label_sets.h"
#include "fovea/data/vocabulary.h"
#include "fovea/nn/module.h"
#include "fovea/onnx/graph.h"
#include "fovea/train/batch_stream.h"
#include "fovea/train/explanation.h"
#include "fovea/train/inference.h"
#include "fovea/train/options.h"
#include "fovea/train/split.h"
#include "fovea/train/training_options.h"

namespace fovea::train {

/// What one kind of classifier (of texts, of images, ...) brings to the program that all kinds share: how its examples
/// are read, its model, how a prediction is explained. ClassifierProgram calls it.
class ClassifierTask {
 public:
  virtual ~ClassifierTask() = default;

  /// Options on how files are read; `train` and `evaluate` have them.
  virtual void declare_data(OptionTable& options) = 0;
  /// Options beside those on the files that only `train` reads.
  virtual void declare_training_data(OptionTable&) {}
  /// Options of the model and of what it is fed.
  virtual void declare_model(OptionTable& options) = 0;
  /// Changes the defaults of training where others suit this kind of examples.
  virtual void set_defaults(TrainingOptions&) const {}
  /// Sets defaults that hang on other options, where the user gave none. Throws UsageError where two do not go
  /// together.
  virtual void settle(const OptionTable& options, TrainingOptions& training) = 0;

  /// Reads the training examples, divided as divide() says, and the validation examples. Throws DataError.
  virtual void load_training(const TrainingFiles& files) = 0;
  /// Sets defaults that hang on the training examples, once they are read, where the user gave none.
  virtual void settle_on_data(const OptionTable&, TrainingOptions&) const {}
  /// Reads labelled examples to test on. Throws DataError.
  virtual void load_test(const std::string& path) = 0;
  /// Examples to predict, as the command line gives them: texts, or names of files, of which one may hold several
  /// examples. Returns what each example is called. Throws DataError.
  virtual std::vector<std::string> set_inputs(const std::vector<std::string>& inputs) = 0;
  /// The same of what is in memory: texts, rows as JSON objects, or files' bytes. Throws DataError.
  virtual void set_contents(std::span<const std::string> contents) { set_inputs({contents.begin(), contents.end()}); }
  /// The media types of such bytes ("image/png"); none where an input is no file.
  virtual std::vector<std::string> media_types() const { return {}; }
  /// What an input is, in one word: "text", "row", "file".
  virtual std::string input_kind() const = 0;
  /// What --help says of where examples stand: the kinds of files.
  virtual std::string source_help() const { return "any file"; }
  /// What --help says of inputs.
  virtual std::string input_help() const { return "what to classify"; }

  virtual const data::Labels& labels() const = 0;
  virtual int64_t size(Part part) const = 0;
  /// The class of an example; where label_sets() are there, the number of its set.
  virtual int32_t truth(Part part, int64_t example) const = 0;
  /// The distinct sets of classes that examples have, where each may have any number of them; null where each has one.
  virtual const data::LabelSets* label_sets() const { return nullptr; }
  bool multi_label() const { return label_sets() != nullptr; }
  /// Labels as TrainerOptions::multi_label wants them, of examples with such sets.
  Tensor label_rows(std::span<const int32_t> sets, Device device) const;
  /// The classes of an example in ascending order.
  std::vector<int32_t> truths(Part part, int64_t example) const { return classes_of(truth(part, example)); }
  /// The same of what truth() tells.
  std::vector<int32_t> classes_of(int32_t truth) const;
  /// How many examples of each class there are.
  virtual std::vector<int64_t> class_counts(Part part) const;
  /// A hash of the training data.
  virtual uint64_t fingerprint() const = 0;
  /// How an example of `part` is called in messages: "texts".
  virtual std::string noun() const = 0;
  /// What people should know of how examples were read: "label \"class\", text \"body\"" of a training file's columns,
  /// how many recordings were converted; "" for nothing.
  virtual std::string reading_note() const { return {}; }

  /// Makes the model, once examples or `restore` have told its sizes; random numbers come from the default generator.
  virtual nn::Module& build(Device device) = 0;
  virtual std::unique_ptr<BatchStream> stream(Part part, const StreamOptions& options) = 0;

  /// What in an example made the model say `predicted`.
  virtual Explanation explain(Part part, int64_t example, int32_t predicted) = 0;
  /// What the colours say, for people.
  virtual std::string colour_note() const = 0;

  /// The weights that colour the units of an example (tokens, columns, patches, frames): the deletion test takes units
  /// away in their order. Empty where a task has none.
  virtual std::vector<double> unit_weights(Part, int64_t /*example*/, int32_t /*predicted*/) { return {}; }
  /// The class probabilities of an example without some of its units, one for each of `removed`.
  virtual Predictions without_units(Part, int64_t /*example*/, const std::vector<std::vector<size_t>>& /*removed*/) {
    return {};
  }

  /// Adds the model's inputs to a graph, and nodes that make the logits [batch, classes] of them. Throws UsageError where
  /// the model does not say how.
  virtual onnx::Value build_graph(onnx::Graph& graph);
  /// What those inputs hold for some examples, in their order; i32 stands for i64.
  virtual std::vector<nn::NamedTensor> graph_inputs(Part part, std::span<const int64_t> examples) const;

  /// Writes what the model's folder holds beside weights and options (vocabulary.txt, say).
  virtual void save(const std::string& folder) const = 0;
  /// Reads that back and takes the classes. Throws DataError.
  virtual void restore(const std::string& folder, data::Labels labels) = 0;

 protected:
  /// A stream of `part` with label_rows() where examples have label_sets(); else as it is.
  std::unique_ptr<BatchStream> with_label_rows(Part part, std::unique_ptr<BatchStream> stream) const;
};

/// How a task's model is trained: as TrainingOptions::trainer says, with its kind of labels and the weights of its classes.
TrainerOptions trainer_options(const ClassifierTask& task, const TrainingOptions& training, Device device);

/// Throws DataError where labels of so many examples are not the names of classes: all the same, or hardly ever the same
/// one twice. `column` is where they stand, "" where they stand in none.
void check_classes(const std::string& path, const std::string& column, const data::Labels& labels, int64_t examples);

/// Throws UsageError: the task has no emit().
[[noreturn]] void refuse_without_emit();

/// Makes tasks of one kind.
using MakeTask = std::function<std::unique_ptr<ClassifierTask>()>;

}  // namespace fovea::train
