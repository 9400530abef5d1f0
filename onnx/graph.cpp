#include "fovea/onnx/graph.h"

#include "fovea/data/files.h"
#include "fovea/data/protobuf.h"

namespace fovea::onnx {
namespace {

using data::protobuf::put;

constexpr int64_t ir_version = 8, opset = 17;

// Numbers of the fields in onnx.proto.
namespace model_field {
constexpr int ir_version = 1, producer = 2, description = 6, graph = 7, opset = 8, metadata = 14;
}
namespace graph_field {
constexpr int node = 1, name = 2, initializer = 5, input = 11, output = 12;
}
namespace node_field {
constexpr int input = 1, output = 2, name = 3, op = 4, attribute = 5;
}
namespace attribute_field {
constexpr int name = 1, number = 2, integer = 3, text = 4, integers = 8, texts = 9, type = 20;
}
namespace tensor_field {
constexpr int size = 1, element = 2, name = 8, bytes = 9;
}

void put_text(std::string& out, int field, std::string_view text) { put(out, field, text); }

/// A message within a message.
template <class... Fields>
void put_message(std::string& out, int field, const Fields&... write) {
  std::string bytes;
  (write(bytes), ...);
  put(out, field, std::string_view(bytes));
}

std::string tensor_message(const std::string& name, Element element, const Shape& shape, std::string_view bytes) {
  std::string out;
  for (int axis = 0; axis < shape.rank(); ++axis) put(out, tensor_field::size, shape[axis]);
  put(out, tensor_field::element, static_cast<int64_t>(element));
  put_text(out, tensor_field::name, name);
  put(out, tensor_field::bytes, bytes);
  return out;
}

/// ValueInfoProto: a name, what it holds, and a word on it.
std::string value_message(const std::string& name, Element element, const std::vector<Size>& shape,
                          const std::string& description) {
  std::string out;
  put_text(out, 1, name);
  put_message(out, 2, [&](std::string& type) {
    put_message(type, 1, [&](std::string& tensor) {
      put(tensor, 1, static_cast<int64_t>(element));
      put_message(tensor, 2, [&](std::string& sizes) {
        for (const Size& size : shape) {
          put_message(sizes, 1, [&](std::string& one) {
            if (const auto* number = std::get_if<int64_t>(&size)) put(one, 1, *number);
            if (const auto* symbol = std::get_if<std::string>(&size)) put_text(one, 2, *symbol);
          });
        }
      });
    });
  });
  if (!description.empty()) put_text(out, 3, description);
  return out;
}

/// Adds "tokens [batch, time]" to a list.
void add_text(std::string& list, const std::string& name, const std::vector<Size>& shape) {
  std::string sizes;
  for (const Size& size : shape) {
    const auto* number = std::get_if<int64_t>(&size);
    sizes += (sizes.empty() ? "" : ", ") + (number ? std::to_string(*number) : std::get<std::string>(size));
  }
  list += fmt::format("{}{} [{}]", list.empty() ? "" : ", ", name, sizes);
}

std::string attribute_message(const Attribute& attribute) {
  constexpr int64_t type_of[] = {2, 1, 3, 7, 8};  // AttributeProto.AttributeType, by the variant's index
  std::string out;
  put_text(out, attribute_field::name, attribute.first);
  const auto& value = attribute.second;
  if (const auto* x = std::get_if<int64_t>(&value)) put(out, attribute_field::integer, *x);
  if (const auto* x = std::get_if<float>(&value)) put(out, attribute_field::number, *x);
  if (const auto* x = std::get_if<std::string>(&value)) put_text(out, attribute_field::text, *x);
  if (const auto* all = std::get_if<std::vector<int64_t>>(&value)) {
    for (const int64_t x : *all) put(out, attribute_field::integers, x);
  }
  if (const auto* all = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& x : *all) put_text(out, attribute_field::texts, x);
  }
  put(out, attribute_field::type, type_of[value.index()]);
  return out;
}

struct Stored {
  Element element;
  std::string bytes;
};

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

Stored stored(const Tensor& tensor, bool wide) {
  if (tensor.dtype() == i32 && wide) {
    const auto values = tensor.to_vector<int32_t>();
    return {Element::i64, bytes_of(std::vector<int64_t>(values.begin(), values.end()))};
  }
  if (tensor.dtype() == i32) return {Element::i32, bytes_of(tensor.to_vector<int32_t>())};
  if (tensor.dtype() == boolean) {
    std::string bytes;
    for (const int32_t each : tensor.to(i32).to_vector<int32_t>()) bytes += static_cast<char>(each);
    return {Element::boolean, bytes};
  }
  return {Element::f32, bytes_of(tensor.to(f32).to_vector<float>())};
}

}  // namespace

Graph& Value::graph(Caller caller) const {
  if (!graph_) raise<ValueError>(caller, "onnx: a value is none");
  return *graph_;
}

Graph::Scope::Scope(Graph& graph, const nn::Module& module, Caller caller)
    : errors_(module, caller), graph_(graph), outer_(graph.scope_) {
  const std::string path = module.path();
  graph.scope_ = path.empty() ? "" : path + '/';
}

std::string Graph::unique(std::string name) {
  const int64_t before = taken_[name]++;
  return before == 0 ? name : unique(name + '_' + std::to_string(before));
}

/// Takes a name as it stands.
void Graph::claim(const std::string& name, Caller caller) {
  if (name.empty()) raise<ValueError>(caller, "onnx: an input or output of \"{}\" has no name", name_);
  if (unique(name) != name) raise<ValueError>(caller, "onnx: \"{}\" has a \"{}\" already", name_, name);
}

void Graph::check_own(const Value& value, std::string_view where_to, Caller caller) const {
  if (!value.defined() || value.graph_ == this) return;  // an optional input that is left out
  raise<ValueError>(caller, "onnx: {} of \"{}\" takes \"{}\" of \"{}\", another graph", where_to, name_, value.name(),
                    value.graph_->name_);
}

Value Graph::input(std::string name, Element element, const std::vector<Size>& shape, std::string description,
                   Caller caller) {
  claim(name, caller);
  add_text(input_text_, name, shape);
  put(inputs_, graph_field::input, value_message(name, element, shape, description));
  return {this, name};
}

void Graph::output(std::string name, const Value& value, Element element, const std::vector<Size>& shape,
                   std::string description, Caller caller) {
  value.graph(caller);  // is there
  check_own(value, name, caller);
  claim(name, caller);
  put_message(nodes_, graph_field::node, [&](std::string& node) {
    put_text(node, node_field::input, value.name());
    put_text(node, node_field::output, name);
    put_text(node, node_field::name, name);
    put_text(node, node_field::op, "Identity");
  });
  add_text(output_text_, name, shape);
  put(outputs_, graph_field::output, value_message(name, element, shape, description));
}

Value Graph::add_constant(std::string name, Element element, const Shape& shape, std::string_view bytes) {
  name = unique(std::move(name));
  put(initializers_, graph_field::initializer, tensor_message(name, element, shape, bytes));
  return {this, name};
}

Value Graph::constant(const Tensor& tensor, std::string name) {
  const View& view = tensor.view();
  for (const Constant& known : constants_) {
    const View& other = known.tensor.view();
    if (view.buffer == other.buffer && view.offset == other.offset && view.dtype == other.dtype &&
        view.shape == other.shape && view.strides == other.strides && view.buffer->version == known.version) {
      return {this, known.name};
    }
  }
  const auto [element, bytes] = stored(tensor, false);
  const Value made = add_constant(scope_ + name, element, tensor.shape(), bytes);
  constants_.push_back({tensor.detach(), view.buffer->version, made.name()});
  return made;
}

Value Graph::constant(const std::vector<int64_t>& values) {
  std::string& name = lists_[values];
  if (name.empty()) {
    name = add_constant("integers", Element::i64, {static_cast<int64_t>(values.size())}, bytes_of(values)).name();
  }
  return {this, name};
}

Value Graph::integer(int64_t value) {
  std::string& name = integers_[value];
  if (name.empty()) name = add_constant("integer", Element::i64, {}, bytes_of(std::vector<int64_t>{value})).name();
  return {this, name};
}

Value Graph::scalar(double value) {
  std::string& name = scalars_[value];
  if (name.empty()) {
    name = add_constant("number", Element::f32, {}, bytes_of(std::vector<float>{static_cast<float>(value)})).name();
  }
  return {this, name};
}

std::vector<Value> Graph::nodes(std::string_view op, const std::vector<Value>& inputs, size_t outputs,
                                const std::vector<Attribute>& attributes, Caller caller) {
  for (const Value& each : inputs) check_own(each, op, caller);
  const std::string name = unique(scope_ + std::string(op));
  std::vector<Value> results;
  for (size_t i = 0; i < outputs; ++i) {
    results.push_back({this, outputs == 1 ? name : unique(name + ':' + std::to_string(i))});
  }
  put_message(nodes_, graph_field::node, [&](std::string& node) {
    for (const Value& each : inputs) put_text(node, node_field::input, each.name());
    for (const Value& each : results) put_text(node, node_field::output, each.name());
    put_text(node, node_field::name, name);
    put_text(node, node_field::op, op);
    for (const Attribute& each : attributes) put(node, node_field::attribute, attribute_message(each));
  });
  return results;
}

std::string Graph::to_bytes(const ModelText& text, Caller caller) const {
  constexpr size_t most = (size_t{1} << 31) - (size_t{1} << 20);
  if (outputs_.empty()) raise<ValueError>(caller, "onnx: \"{}\" has no output", name_);
  const size_t size = nodes_.size() + initializers_.size() + inputs_.size() + outputs_.size();
  if (size > most) raise<ValueError>(caller, "onnx: a graph of {} bytes; a file holds no more than 2 GiB", size);
  std::string out;
  put(out, model_field::ir_version, ir_version);
  put_text(out, model_field::producer, text.producer);
  if (!text.description.empty()) put_text(out, model_field::description, text.description);
  put_message(out, model_field::opset, [](std::string& set) { put(set, 2, opset); });
  for (const auto& [key, value] : text.metadata) {
    put_message(out, model_field::metadata, [&key = key, &value = value](std::string& entry) {
      put_text(entry, 1, key);
      put_text(entry, 2, value);
    });
  }
  put_message(out, model_field::graph, [this](std::string& graph) {
    graph += nodes_;
    put_text(graph, graph_field::name, name_);
    graph += initializers_ + inputs_ + outputs_;
  });
  return out;
}

void Graph::save(const std::string& path, const ModelText& text, Caller caller) const {
  data::write_atomically(path, to_bytes(text, caller));
}

std::string tensor_to_bytes(const std::string& name, const Tensor& tensor, bool wide) {
  const auto [element, bytes] = stored(tensor, wide);
  return tensor_message(name, element, tensor.shape(), bytes);
}

}  // namespace fovea::onnx
