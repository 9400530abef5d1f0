// What stands in an ONNX file, read without ONNX.
#include <fovea/fovea.h>

#include <set>

#include "data/temp_folder.h"
#include "message.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

using onnx::Element;
using onnx::Graph;
using onnx::Value;
using testing::ElementsAre;
using testing::HasSubstr;

/// The graph of a model's bytes.
Message graph_of(const std::string& model) { return Message(Message(model).text(7)); }

struct Node {
  std::string op, name;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, Message> attributes;
};

std::vector<Node> nodes_of(const Message& graph) {
  std::vector<Node> nodes;
  for (const std::string& bytes : graph.texts(1)) {
    const Message message(bytes);
    Node node{message.text(4), message.text(3), message.texts(1), message.texts(2), {}};
    for (const std::string& attribute : message.texts(5)) {
      node.attributes.emplace(Message(attribute).text(1), Message(attribute));
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

/// Everything has one name, and is made before it is read.
void expect_sound(const Message& graph) {
  std::set<std::string> known;
  for (const int field : {5, 11}) {
    for (const std::string& bytes : graph.texts(field)) {
      EXPECT_TRUE(known.insert(Message(bytes).text(field == 5 ? 8 : 1)).second);
    }
  }
  for (const Node& node : nodes_of(graph)) {
    for (const std::string& input : node.inputs) EXPECT_TRUE(input.empty() || known.contains(input)) << input;
    for (const std::string& output : node.outputs) EXPECT_TRUE(known.insert(output).second) << output;
  }
  for (const std::string& bytes : graph.texts(12)) EXPECT_TRUE(known.contains(Message(bytes).text(1)));
}

TEST(OnnxGraph, IsAModelOfOpset17) {
  Graph graph("eye");
  const Value x = graph.input("x", Element::f32, {"batch", 3}, "numbers");
  graph.output("y", relu(x), Element::f32, {"batch", 3});
  const Message model(graph.to_bytes({.description = "sees", .metadata = {{"classes", "[\"a\"]"}, {"program", "p"}}}));
  EXPECT_EQ(model.number(1), 8);  // IR version
  EXPECT_EQ(model.text(2), "fovea");
  EXPECT_EQ(model.text(6), "sees");
  EXPECT_EQ(Message(model.text(8)).number(2), 17);
  std::map<std::string, std::string> metadata;
  for (const std::string& entry : model.texts(14)) metadata[Message(entry).text(1)] = Message(entry).text(2);
  EXPECT_EQ(metadata["classes"], "[\"a\"]");
  EXPECT_EQ(metadata["program"], "p");
  EXPECT_EQ(Message(model.text(7)).text(2), "eye");
  EXPECT_EQ(graph.signature(), "x [batch, 3] -> y [batch, 3]");
}

TEST(OnnxGraph, SaysWhatItsInputsAre) {
  Graph graph("g");
  const Value x = graph.input("x", Element::i64, {"batch", 3}, "numbers");
  graph.output("y", x, Element::i64, {"batch", 3});
  const Message input(graph_of(graph.to_bytes({})).text(11));
  EXPECT_EQ(input.text(1), "x");
  EXPECT_EQ(input.text(3), "numbers");
  const Message tensor(Message(input.text(2)).text(1));
  EXPECT_EQ(tensor.number(1), 7);  // INT64
  const auto sizes = Message(tensor.text(2)).texts(1);
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_EQ(Message(sizes[0]).text(2), "batch");
  EXPECT_EQ(Message(sizes[1]).number(1), 3);
}

TEST(OnnxGraph, HoldsTensorsAsTheyAre) {
  Graph graph("g");
  graph.constant(from_vector(std::vector<float>{1, -2, 3, 4, 5, 6}, {2, 3}).mT(), "w");
  graph.constant(from_vector(std::vector<double>{0.5}), "w");
  graph.output("y", graph.constant(from_vector(std::vector<int32_t>{7}), "i"), Element::i32, {1});
  const auto tensors = graph_of(graph.to_bytes({})).texts(5);
  ASSERT_EQ(tensors.size(), 3u);
  const Message w(tensors[0]);
  EXPECT_THAT(w.numbers(1), ElementsAre(3, 2));
  EXPECT_EQ(w.number(2), 1);  // FLOAT
  EXPECT_EQ(w.text(8), "w");
  std::vector<float> values(6);
  std::memcpy(values.data(), w.text(9).data(), 24);
  EXPECT_THAT(values, ElementsAre(1, 4, -2, 5, 3, 6));
  EXPECT_EQ(Message(tensors[1]).text(8), "w_1");
  EXPECT_EQ(Message(tensors[1]).text(9).size(), 4u);
  EXPECT_EQ(Message(tensors[2]).number(2), 6);  // INT32
}

TEST(OnnxGraph, HoldsEqualNumbersOnce) {
  Graph graph("g");
  const Value x = graph.input("x", Element::f32, {1});
  graph.output("y", (x + 2) * 2 + 2, Element::f32, {1});
  EXPECT_EQ(graph_of(graph.to_bytes({})).texts(5).size(), 1u);
}

TEST(OnnxGraph, WritesAttributesOfEveryType) {
  Graph graph("g");
  const Value x = graph.input("x", Element::f32, {1});
  const Value y = graph.node("Op", {x, {}, x},
                             {{"i", int64_t{-1}},
                              {"f", 0.5f},
                              {"s", std::string("text")},
                              {"is", std::vector<int64_t>{1, 2}},
                              {"ss", std::vector<std::string>{"a", "b"}}});
  graph.output("y", y, Element::f32, {1});
  const Node node = nodes_of(graph_of(graph.to_bytes({})))[0];
  EXPECT_THAT(node.inputs, ElementsAre("x", "", "x"));
  const auto at = [&](const char* name) { return node.attributes.at(name); };
  EXPECT_EQ(at("i").number(3), -1);
  EXPECT_EQ(at("i").number(20), 2);
  EXPECT_EQ(at("f").real(2), 0.5f);
  EXPECT_EQ(at("f").number(20), 1);
  EXPECT_EQ(at("s").text(4), "text");
  EXPECT_EQ(at("s").number(20), 3);
  EXPECT_THAT(at("is").numbers(8), ElementsAre(1, 2));
  EXPECT_EQ(at("is").number(20), 7);
  EXPECT_THAT(at("ss").texts(9), ElementsAre("a", "b"));
  EXPECT_EQ(at("ss").number(20), 8);
}

TEST(OnnxGraph, TakesNamesAsTheyStandOrNot) {
  Graph graph("g");
  const Value x = graph.input("x", Element::f32, {1});
  graph.output("y", x * 2, Element::f32, {1});
  EXPECT_ERROR(graph.input("x", Element::f32, {1}), "onnx: \"g\" has a \"x\" already (graph_test.cpp:");
  EXPECT_ERROR(graph.input("number", Element::f32, {1}), "onnx: \"g\" has a \"number\" already (graph_test.cpp:");
  EXPECT_ERROR(graph.output("y", x, Element::f32, {1}), "onnx: \"g\" has a \"y\" already (graph_test.cpp:");
  EXPECT_ERROR(graph.output("", x, Element::f32, {1}),
               "onnx: an input or output of \"g\" has no name (graph_test.cpp:");
  EXPECT_EQ(graph.signature(), "x [1] -> y [1]");
  EXPECT_ERROR(Graph("empty").to_bytes({}), "onnx: \"empty\" has no output (graph_test.cpp:");
}

TEST(OnnxGraph, RefusesValuesThatAreNoneOrOfAnotherGraph) {
  Graph graph("g"), other("h");
  const Value x = graph.input("x", Element::f32, {1}), foreign = other.input("z", Element::f32, {1});
  EXPECT_ERROR(Value() + x, "onnx: a value is none (graph_test.cpp:");
  EXPECT_ERROR(x + Value(), "onnx: a value is none (graph_test.cpp:");
  EXPECT_ERROR(where(x > x, x, Value()), "onnx: a value is none (graph_test.cpp:");
  EXPECT_ERROR(onnx::concat({x, Value()}, 0), "onnx: a value is none (graph_test.cpp:");
  EXPECT_ERROR(first(x, 0, Value()), "onnx: a value is none (graph_test.cpp:");
  EXPECT_ERROR(onnx::concat({}, 0), "onnx: concat: nothing to join (graph_test.cpp:");
  EXPECT_ERROR(emit(nn::Linear(2, 2), Value()), "onnx: a value is none (graph_test.cpp:");
  EXPECT_ERROR(graph.output("y", Value(), Element::f32, {1}), "onnx: a value is none (graph_test.cpp:");
  EXPECT_ERROR(x + foreign, "onnx: Add of \"g\" takes \"z\" of \"h\", another graph (graph_test.cpp:");
  EXPECT_ERROR(graph.output("y", foreign, Element::f32, {1}), "onnx: y of \"g\" takes \"z\" of \"h\", another graph");
}

TEST(OnnxTensor, StandsAloneAsTestDataDo) {
  const Message wide(onnx::tensor_to_bytes("lengths", from_vector(std::vector<int32_t>{3, -1}), true));
  EXPECT_EQ(wide.text(8), "lengths");
  EXPECT_EQ(wide.number(2), 7);  // INT64
  int64_t values[2];
  ASSERT_EQ(wide.text(9).size(), sizeof values);
  std::memcpy(values, wide.text(9).data(), sizeof values);
  EXPECT_THAT(values, ElementsAre(3, -1));
  const Message flags(onnx::tensor_to_bytes("missing", from_vector(std::vector<float>{0, 2}) > 1, true));
  EXPECT_EQ(flags.number(2), 9);  // BOOL
  EXPECT_EQ(flags.text(9), std::string("\0\1", 2));
}

TEST(OnnxLayers, NameTheirPlaceInTheModel) {
  struct Model : nn::Module {
    nn::Linear inner{2, 3};
    Model() { add("inner", inner); }
  } model;
  Graph graph("g");
  graph.output("y", emit(model.inner, graph.input("x", Element::f32, {"batch", 2})), Element::f32, {"batch", 3});
  const Message message = graph_of(graph.to_bytes({}));
  expect_sound(message);
  EXPECT_EQ(nodes_of(message)[0].name, "inner/MatMul");
  EXPECT_THAT(nodes_of(message)[0].inputs, ElementsAre("x", "inner/weight_t"));
}

TEST(OnnxLayers, AreStoredOnceHoweverOftenTheyAreEmitted) {
  const nn::GRUCell cell(2, 3), other(2, 3);
  Graph graph("g");
  const Value x = graph.input("x", Element::f32, {"batch", 2});
  Value h = graph.input("h", Element::f32, {"batch", 3});
  for (int i = 0; i < 5; ++i) h = emit(cell, x, h);
  Tensor changed = ones({3});
  h = h + graph.constant(changed);
  changed.fill_(2);
  h = h + graph.constant(changed);
  h = h + graph.constant(changed.flip(0));
  graph.output("y", emit(other, x, h), Element::f32, {"batch", 3});
  const Message message = graph_of(graph.to_bytes({}));
  expect_sound(message);
  EXPECT_EQ(message.texts(5).size(), 2 * 4 + 3u);
}

TEST(OnnxLayers, ARecurrentLayerIsOneNodeForBothDirections) {
  for (const bool lstm : {false, true}) {
    std::unique_ptr<nn::RecurrentLayer> layer;
    const nn::RecurrentLayerOptions options{.layers = 2, .bidirectional = true};
    if (lstm) {
      layer = std::make_unique<nn::LSTM>(2, 3, options);
    } else {
      layer = std::make_unique<nn::GRU>(2, 3, options);
    }
    Graph graph("g");
    const Value x = graph.input("x", Element::f32, {"batch", "time", 2});
    graph.output("y", emit(*layer, x, graph.input("lengths", Element::i64, {"batch"})).output, Element::f32,
                 {"batch", "time", 6});
    const Message message = graph_of(graph.to_bytes({}));
    expect_sound(message);
    std::vector<Node> found;
    for (const Node& node : nodes_of(message)) {
      if (node.op == (lstm ? "LSTM" : "GRU")) found.push_back(node);
    }
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].attributes.at("direction").text(4), "bidirectional");
    EXPECT_EQ(found[0].attributes.at("hidden_size").number(3), 3);
    EXPECT_EQ(found[0].attributes.contains("linear_before_reset"), !lstm);
    for (const std::string& bytes : message.texts(5)) {
      const Message tensor(bytes);
      const int64_t gates = lstm ? 4 : 3;
      if (tensor.text(8) == "weight_ih_l0") {
        EXPECT_THAT(tensor.numbers(1), ElementsAre(2, gates * 3, 2));
      }
      if (tensor.text(8) == "weight_hh_l1") {
        EXPECT_THAT(tensor.numbers(1), ElementsAre(2, gates * 3, 3));
      }
      if (tensor.text(8) == "bias_ih_l0") {
        EXPECT_THAT(tensor.numbers(1), ElementsAre(2, 2 * gates * 3));
      }
    }
  }
}

TEST(OnnxLayers, RefuseWhatTheyCannotWrite) {
  Graph graph("g");
  const Value x = graph.input("x", Element::f32, {"batch", "time", 4});
  const auto refusal = [](const auto& call) { return data::testing::error_of<ValueError>(call); };
  struct Model : nn::Module {
    nn::TransformerEncoder encoder{4, 2, 1, {.alibi = true}};
    Model() { add("encoder", encoder); }
  } model;
  EXPECT_THAT(refusal([&] { emit(model.encoder, x); }),
              HasSubstr("with ALiBi is causal in encoder.layers.0.self_attn (graph_test.cpp:"));
  EXPECT_THAT(refusal([&] { emit(nn::BatchNorm1d(4, {.running_statistics = false}), x); }),
              HasSubstr("a BatchNorm without running statistics"));
  EXPECT_THAT(refusal([&] { emit(nn::EmbeddingBag(4, 2, {.padding_index = 0}), x, x); }),
              HasSubstr("an EmbeddingBag with a padding index"));
}

}  // namespace
}  // namespace fovea::test
