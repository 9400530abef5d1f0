#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fovea/nn/module.h"

// Models as ONNX files (https://onnx.ai), which other runtimes run: opset 17, IR version 8. The format is protocol
// buffers of a dozen small messages and is written by hand.
namespace fovea::onnx {

/// What a value's elements are; the numbers are ONNX's.
enum class Element : uint8_t { f32 = 1, i32 = 6, i64 = 7, boolean = 9 };

/// A size of an input or output: a number, or the name of one that differs from call to call.
using Size = std::variant<int64_t, std::string>;

class Graph;

/// What an input holds, a node gives or a constant is.
class Value {
 public:
  /// None: an optional input that is left out.
  Value() = default;

  bool defined() const { return graph_ != nullptr; }
  const std::string& name() const { return name_; }
  /// Throws ValueError where there is no value.
  Graph& graph(Caller caller = {}) const;

 private:
  friend class Graph;
  Value(Graph* graph, std::string name) : graph_(graph), name_(std::move(name)) {}

  Graph* graph_ = nullptr;
  std::string name_;
};

/// A value as an operator's argument, and where in the source it was passed.
class Argument {
 public:
  Argument(const Value& value, Caller caller = {}) : value_(value), caller_(caller) {}

  operator const Value&() const { return value_; }
  Graph& graph() const { return value_.graph(caller_); }
  Caller caller() const { return caller_; }

 private:
  const Value& value_;
  Caller caller_;
};

/// An operator's attribute: its type follows the value's.
using Attribute =
    std::pair<const char*, std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<std::string>>>;

/// What stands beside the graph in a file.
struct ModelText {
  std::string producer = "fovea";
  std::string description = {};
  std::map<std::string, std::string> metadata = {};
};

/// A graph while it is built. Nodes are added in the order in which they run.
class Graph {
 public:
  explicit Graph(std::string name) : name_(std::move(name)) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Throws ValueError where the name is empty or taken, as output does.
  Value input(std::string name, Element element, const std::vector<Size>& shape, std::string description = {},
              Caller caller = {});
  /// The value will bear the name.
  void output(std::string name, const Value& value, Element element, const std::vector<Size>& shape,
              std::string description = {}, Caller caller = {});

  /// A tensor of the model's, of any device: f64 becomes f32. The name is made unique. The same elements of one buffer are one
  /// constant, so that a layer that is emitted twice is stored once.
  Value constant(const Tensor& tensor, std::string name = "constant");
  /// i64 [n]: what shapes and axes are given by. Equal ones are one.
  Value constant(const std::vector<int64_t>& values);
  /// i64 [], where an operator wants a number; equal ones are one.
  Value integer(int64_t value);
  /// f32 []; equal ones are one.
  Value scalar(double value);

  /// The results of an operator's node, `outputs` of them. Throws ValueError where an input is of another graph.
  std::vector<Value> nodes(std::string_view op, const std::vector<Value>& inputs, size_t outputs,
                           const std::vector<Attribute>& attributes = {}, Caller caller = {});
  Value node(std::string_view op, const std::vector<Value>& inputs, const std::vector<Attribute>& attributes = {},
             Caller caller = {}) {
    return nodes(op, inputs, 1, attributes, caller)[0];
  }

  /// A module whose nodes come next: they bear its path in their names, and an error names it and the caller.
  class Scope {
   public:
    Scope(Graph& graph, const nn::Module& module, Caller caller = {});
    ~Scope() { graph_.scope_ = std::move(outer_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    nn::Scope errors_;
    Graph& graph_;
    std::string outer_;
  };

  /// "tokens [batch, time], lengths [batch] -> probabilities [batch, 3]"
  std::string signature() const { return fmt::format("{} -> {}", input_text_, output_text_); }

  /// The bytes of the file. Throws ValueError where there is no output, or more than protocol buffers can hold (2 GiB).
  std::string to_bytes(const ModelText& text, Caller caller = {}) const;
  /// Writes them to a file, which is there as a whole or as it was. Throws DataError where it cannot be written.
  void save(const std::string& path, const ModelText& text = {}, Caller caller = {}) const;

 private:
  std::string unique(std::string name);
  void claim(const std::string& name, Caller caller);
  void check_own(const Value& value, std::string_view where_to, Caller caller) const;
  Value add_constant(std::string name, Element element, const Shape& shape, std::string_view bytes);

  std::string name_;
  std::string scope_;
  std::map<std::string, int64_t> taken_;               // how often a name was asked for
  std::map<std::vector<int64_t>, std::string> lists_;  // names of constants
  struct Constant {
    Tensor tensor;  // keeps its memory from being another's
    uint32_t version;
    std::string name;
  };
  std::vector<Constant> constants_;
  std::map<int64_t, std::string> integers_;
  std::map<double, std::string> scalars_;
  std::string input_text_, output_text_;
  std::string inputs_, outputs_, initializers_, nodes_;  // messages of the graph, one behind the other
};

/// A tensor as a file of its own, as ONNX's test data are: i32 becomes i64 where `wide`.
std::string tensor_to_bytes(const std::string& name, const Tensor& tensor, bool wide);

}  // namespace fovea::onnx
