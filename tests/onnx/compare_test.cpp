// Layers' graphs beside what their forward computes: cases in folders, which compare.py runs in onnxruntime.
#include <fovea/fovea.h>

#include "cases.h"

namespace fovea::test {
namespace {

using onnx::Element;
using onnx::Graph;
using onnx::Value;

TEST(OnnxCompare, SelfAttentionOfEveryKind) {
  Cases cases;
  manual_seed(3);
  const NoGrad off;
  const Tensor x = randn({3, 7, 16}), lengths = tensor({7, 4, 1}, {.dtype = i32});
  const Tensor keep = nn::sequence_mask(lengths, 7);
  struct Kind {
    const char* name;
    nn::MultiheadAttentionOptions options;
  };
  for (const auto& [name, options] : std::initializer_list<Kind>{{"plain", {}},
                                                                 {"grouped", {.key_heads = 2}},
                                                                 {"single", {.bias = false, .key_heads = 1}},
                                                                 {"window", {.window = 3}},
                                                                 {"rotary", {.key_heads = 2, .rotary = true}},
                                                                 {"rotary_near", {.rotary = true, .rotary_base = 20}},
                                                                 {"alibi", {.alibi = true}}}) {
    for (const bool causal : {true, false}) {
      if (options.alibi && !causal) continue;
      nn::MultiheadAttention layer(16, 4, options);
      if (layer.in_proj_bias.defined()) nn::init::normal_(layer.in_proj_bias);
      layer.eval();
      Graph graph(name);
      const Value in = graph.input("x", Element::f32, {"batch", "time", 16});
      const Value may = graph.input("keep", Element::boolean, {"batch", "time"});
      graph.output("y", emit(layer, in, in, in, {.causal = causal, .keep = may}), Element::f32, {"batch", "time", 16});
      cases.add(fmt::format("{}{}", name, causal ? "_causal" : ""), graph, {{"x", x}, {"keep", keep}},
                layer.forward(x, {.causal = causal, .key_padding_keep = keep}));
    }
  }
}

TEST(OnnxCompare, AttentionOnSomethingElse) {
  Cases cases;
  manual_seed(4);
  const NoGrad off;
  nn::MultiheadAttention layer(16, 4, {.key_heads = 2, .key_dim = 10, .value_dim = 6});
  const Tensor x = randn({2, 5, 16}), keys = randn({2, 3, 10}), values = randn({2, 3, 6});
  Graph graph("cross");
  const Value q = graph.input("x", Element::f32, {"batch", "queries", 16});
  const Value k = graph.input("keys", Element::f32, {"batch", "time", 10});
  const Value v = graph.input("values", Element::f32, {"batch", "time", 6});
  graph.output("y", emit(layer, q, k, v), Element::f32, {"batch", "queries", 16});
  cases.add("cross", graph, {{"x", x}, {"keys", keys}, {"values", values}}, layer.forward(x, keys, values));
}

TEST(OnnxCompare, WeightsOfScoresFarApart) {
  Cases cases;
  manual_seed(6);
  const NoGrad off;
  const Tensor near = randn({4, 6}) * 3.0, far = randn({4, 6}) * 8.0 - 60.0;
  const Tensor scores = concat({near, far, near - 6.0, near + 20.0}, 0);
  Tensor keep = rand({16, 6}) < 0.7;
  for (const int64_t row : {2, 6, 10, 14}) keep.select(0, row).fill_(0);  // nothing may be read
  for (const nn::Weights weights :
       {nn::Weights::softmax, nn::Weights::sum, nn::Weights::sparsemax, nn::Weights::entmax15, nn::Weights::exp}) {
    Graph graph("weights");
    const Value in = graph.input("scores", Element::f32, {"rows", "time"});
    const Value may = graph.input("keep", Element::boolean, {"rows", "time"});
    graph.output("y", onnx::attention_weights(in, may, weights), Element::f32, {"rows", "time"});
    // Exponentials of scores that are large beside those that are not show nothing.
    const Tensor x = weights == nn::Weights::exp ? repeat(near, {4, 1}) : scores;
    cases.add(fmt::format("weights_{}", name(weights)), graph, {{"scores", x}, {"keep", keep}},
              nn::attention_weights(x, keep, weights));
  }
}

TEST(OnnxCompare, NormsAndGates) {
  Cases cases;
  manual_seed(7);
  const NoGrad off;
  const Tensor x = randn({2, 5, 12});
  const auto add = [&](const std::string& name, const auto& layer) {
    Graph graph(name);
    graph.output("y", emit(layer, graph.input("x", Element::f32, {"batch", "time", 12})), Element::f32,
                 {"batch", "time", 12});
    cases.add(name, graph, {{"x", x}}, layer.forward(x));
  };
  nn::RMSNorm norm(12, {.eps = 0.1});
  nn::init::normal_(norm.weight);
  add("rms_norm", norm);
  add("rms_norm_plain", nn::RMSNorm(12, {.affine = false}));
  nn::LayerNorm layer_norm(12, {.eps = 0.1});
  nn::init::normal_(layer_norm.weight);
  nn::init::normal_(layer_norm.bias);
  add("layer_norm", layer_norm);
  add("layer_norm_without_bias", nn::LayerNorm(12, {.bias = false}));
  add("layer_norm_plain", nn::LayerNorm(12, {.affine = false}));
  add("swiglu", nn::SwiGLU(12, 20));
  add("swiglu_bias", nn::SwiGLU(12, 20, {.bias = true}));
}

TEST(OnnxCompare, ConvolutionsWithEveryOption) {
  Cases cases;
  manual_seed(8);
  const NoGrad off;
  const auto add = [&](const std::string& name, const auto& layer, const Tensor& x, const std::vector<onnx::Size>& in,
                       const std::vector<onnx::Size>& out) {
    Graph graph(name);
    graph.output("y", emit(layer, graph.input("x", Element::f32, in)), Element::f32, out);
    cases.add(name, graph, {{"x", x}}, layer.forward(x));
  };
  const Tensor line = randn({2, 4, 15}), image = randn({2, 4, 9, 12});
  const std::vector<onnx::Size> lines{"batch", 4, "length"}, images{"batch", 4, "height", "width"};
  add("conv1d", nn::Conv1d(4, 6, 3, {.stride = 2, .padding = 1, .dilation = 3, .groups = 2}), line, lines,
      {"batch", 6, "positions"});
  add("conv1d_without_bias", nn::Conv1d(4, 3, 2, {.bias = false}), line, lines, {"batch", 3, "positions"});
  add("conv2d",
      nn::Conv2d(4, 6, {2, 3}, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {3, 2}, .groups = 2, .bias = false}),
      image, images, {"batch", 6, "rows", "columns"});
  add("conv_transpose1d",
      nn::ConvTranspose1d(4, 6, 3, {.stride = 3, .padding = 1, .dilation = 2, .output_padding = 2, .groups = 2}), line,
      lines, {"batch", 6, "positions"});
  add("conv_transpose2d",
      nn::ConvTranspose2d(4, 6, {2, 3},
                          {.stride = {2, 3}, .padding = {1, 2}, .output_padding = {1, 0}, .groups = 2, .bias = false}),
      image, images, {"batch", 6, "rows", "columns"});
  const Tensor volume = randn({2, 4, 5, 6, 7});
  const std::vector<onnx::Size> volumes{"batch", 4, "depth", "height", "width"}, others{"batch", 6, "d", "h", "w"};
  add("conv3d",
      nn::Conv3d(4, 6, {2, 3, 1},
                 {.stride = {1, 2, 1}, .padding = {1, 2, 0}, .dilation = {2, 1, 1}, .groups = 2, .bias = false}),
      volume, volumes, others);
  add("conv_transpose3d",
      nn::ConvTranspose3d(4, 6, {3, 2, 2}, {.stride = {2, 1, 3}, .padding = {1, 0, 1}, .output_padding = {1, 0, 2}}),
      volume, volumes, others);
  const std::vector<onnx::Size> larger{"batch", 4, "rows", "columns"};
  add("upsample_nearest", nn::Upsample({2, 3}), image, images, larger);
  add("upsample_bilinear", nn::Upsample({2, 3}, {.bilinear = true}), image, images, larger);
  add("upsample_corners", nn::Upsample({3, 2}, {.bilinear = true, .align_corners = true}), image, images, larger);
  add("pixel_shuffle", nn::PixelShuffle(2), randn({2, 8, 3, 2}), {"batch", 8, "height", "width"},
      {"batch", 2, "rows", "columns"});
  for (const bool affine : {true, false}) {
    nn::BatchNorm2d norm(4, {.eps = 0.1, .affine = affine});
    for (Tensor* each : {&norm.running_mean, &norm.weight, &norm.bias}) {
      if (each->defined()) nn::init::normal_(*each);
    }
    nn::init::uniform_(norm.running_var, 0.5, 2);
    norm.eval();
    add(affine ? "batch_norm" : "batch_norm_plain", norm, image, images, images);
    nn::InstanceNorm2d instance(4, {.eps = 0.1, .affine = affine});
    for (Tensor* each : {&instance.weight, &instance.bias}) {
      if (each->defined()) nn::init::normal_(*each);
    }
    add(affine ? "instance_norm" : "instance_norm_plain", instance, image, images, images);
  }
}

TEST(OnnxCompare, PoolsAndWhatElseHasNoWeights) {
  Cases cases;
  manual_seed(12);
  const NoGrad off;
  const Tensor line = randn({2, 4, 15}), image = randn({2, 4, 9, 12}), volume = randn({2, 4, 5, 6, 7});
  const auto add = [&](const std::string& name, const auto& layer, const Tensor& x) {
    Graph graph(name);
    const Tensor y = layer.forward(x);
    const auto sizes = [](const Tensor& of) {
      std::vector<onnx::Size> all{"batch"};
      for (int i = 1; i < of.rank(); ++i) all.emplace_back(of.size(i));
      return all;
    };
    graph.output("y", emit(layer, graph.input("x", Element::f32, sizes(x))), Element::f32, sizes(y));
    cases.add(name, graph, {{"x", x}}, y);
  };
  add("max_pool1d", nn::MaxPool1d(3), line);
  add("max_pool1d_strided", nn::MaxPool1d(4, {.stride = 2, .padding = 1}), line);
  add("max_pool2d", nn::MaxPool2d(2), image);
  add("max_pool2d_strided", nn::MaxPool2d({3, 4}, {.stride = {1, 3}, .padding = {1, 2}}), image);
  add("max_pool3d", nn::MaxPool3d({2, 3, 2}, {.stride = {1, 2, 2}, .padding = {1, 1, 0}}), volume);
  add("avg_pool1d", nn::AvgPool1d(4, {.stride = 3, .padding = 2}), line);
  add("avg_pool2d", nn::AvgPool2d({3, 2}, {.padding = {1, 0}}), image);
  add("avg_pool3d", nn::AvgPool3d(2, {.stride = 1, .padding = 1}), volume);
  add("adaptive_avg_pool1d", nn::AdaptiveAvgPool1d(1), line);
  add("adaptive_avg_pool2d", nn::AdaptiveAvgPool2d(1), image);
  add("adaptive_avg_pool3d", nn::AdaptiveAvgPool3d(1), volume);
  add("flatten", nn::Flatten(), image);
  add("glu", nn::GLU(), image);
  add("glu_of_channels", nn::GLU(1), image);
  nn::GroupNorm norm(2, 4, {.eps = 0.1});
  for (Tensor* each : {&norm.weight, &norm.bias}) nn::init::normal_(*each);
  add("group_norm", norm, image);
  add("group_norm_of_lines", norm, line);
  nn::Dropout2d dropout(0.5);
  dropout.eval();
  Graph graph("dropout");
  const Value x = graph.input("x", Element::f32, {"batch", 4, 9, 12});
  EXPECT_EQ(emit(nn::Identity(), emit(dropout, x)).name(), x.name());

  EXPECT_ERROR(emit(nn::AdaptiveAvgPool2d({1, 2}), x),
               "onnx: an adaptive pool of [1, 2] parts; one along each axis can be written down (compare_test.cpp:");
  EXPECT_ERROR(emit(nn::Flatten(2), x), "onnx: a Flatten of axes 2 to -1; that of 1 to -1 can be written down");
  EXPECT_ERROR(emit(nn::Dropout(), Value()), "onnx: ");
}

TEST(OnnxCompare, BagsOfWhichOneIsEmpty) {
  Cases cases;
  manual_seed(9);
  const NoGrad off;
  const Tensor index = randint(0, 11, {3, 5}), lengths = tensor({5, 2, 0}, {.dtype = i32});
  const Tensor keep = nn::sequence_mask(lengths, 5);
  for (const nn::BagMode mode : {nn::BagMode::mean, nn::BagMode::sum}) {
    const nn::EmbeddingBag layer(11, 4, {.mode = mode});
    Graph graph("bag");
    const Value in = graph.input("index", Element::i64, {"batch", "time"});
    const Value may = graph.input("keep", Element::boolean, {"batch", "time"});
    graph.output("y", emit(layer, in, may), Element::f32, {"batch", 4});
    // Bags one behind the other: the third has nothing.
    const Tensor kept = concat({index.select(0, 0), index.slice(0, 1, 2).slice(1, 0, 2).reshape({2})}, 0);
    cases.add(mode == nn::BagMode::mean ? "bag_mean" : "bag_sum", graph, {{"index", index}, {"keep", keep}},
              layer.forward(kept, tensor({0, 5, 7}, {.dtype = i32})));
  }
}

TEST(OnnxCompare, PoolsOfEveryTemperature) {
  Cases cases;
  manual_seed(10);
  const NoGrad off;
  const Tensor x = randn({3, 6, 8}), lengths = tensor({6, 3, 1}, {.dtype = i32});
  const Tensor keep = nn::sequence_mask(lengths, 6);
  const auto add = [&](const std::string& name, const auto& layer, const auto& read) {
    Graph graph(name);
    const Value in = graph.input("x", Element::f32, {"batch", "time", 8});
    const Value may = graph.input("keep", Element::boolean, {"batch", "time"});
    graph.output("y", read(emit(layer, in, may)), Element::f32, {"batch", 8});
    cases.add(name, graph, {{"x", x}, {"keep", keep}}, layer.forward(x, keep));
  };
  for (const nn::Score score : {nn::Score::additive, nn::Score::dot, nn::Score::scaled_dot, nn::Score::bilinear,
                                nn::Score::cosine, nn::Score::location}) {
    nn::AttentionPool pool(
        8, {.score = score, .temperature = 0.3, .hidden = score == nn::Score::additive ? 5 : 0, .length = 9});
    nn::init::normal_(pool.query);
    add(fmt::format("pool_{}", name(score)), pool, [](const onnx::Attended& made) { return made.read; });
  }
  nn::MultiheadPool heads(8, 2, {.temperature = 0.3, .gate = true});
  nn::init::normal_(heads.query);
  add("pool_heads", heads, [](const Value& made) { return made; });
}

TEST(OnnxCompare, SequencesOfEveryScore) {
  Cases cases;
  manual_seed(12);
  const NoGrad off;
  const Tensor query = randn({3, 4, 8}), keys = randn({3, 6, 8}), values = randn({3, 6, 5});
  const Tensor keep = nn::sequence_mask(tensor({6, 3, 1}, {.dtype = i32}), 6);
  const Tensor of_each = randint(0, 2, {3, 4, 6}) > 0;  // of some queries perhaps nothing
  const auto add = [&](const std::string& name, const nn::SequenceAttention& layer, bool weights, const Tensor& mask) {
    Graph graph(name);
    const Value q = graph.input("query", Element::f32, {"batch", "queries", 8});
    const Value k = graph.input("keys", Element::f32, {"batch", "time", 8});
    const Value v = graph.input("values", Element::f32, {"batch", "time", 5});
    std::vector<std::pair<std::string, Tensor>> inputs{{"query", query}, {"keys", keys}, {"values", values}};
    Value may;
    if (mask.defined()) {
      const std::vector<onnx::Size> of_keys{"batch", "time"}, of_queries{"batch", "queries", "time"};
      may = graph.input("keep", Element::boolean, mask.rank() == 2 ? of_keys : of_queries);
      inputs.emplace_back("keep", mask);
    }
    const onnx::Attended made = emit(layer, q, k, v, may);
    graph.output("y", weights ? made.weights : made.read, Element::f32, {"batch", "queries", "width"});
    const Attended expected = layer.forward_with_weights(query, keys, values, mask);
    cases.add(name, graph, inputs, weights ? expected.weights : expected.read);
  };
  for (const nn::Score score : {nn::Score::additive, nn::Score::dot, nn::Score::scaled_dot, nn::Score::bilinear,
                                nn::Score::cosine, nn::Score::location}) {
    const bool additive = score == nn::Score::additive;
    const nn::SequenceAttention layer(
        8, 8, {.score = score, .temperature = 0.4, .hidden = additive ? 3 : 0, .length = 9, .value_dim = 5});
    add(fmt::format("sequence_{}", nn::name(score)), layer, false, keep);
    add(fmt::format("sequence_{}_weights", nn::name(score)), layer, true, additive ? keep : Tensor());
    add(fmt::format("sequence_{}_of_each", nn::name(score)), layer, true, of_each);
  }
  nn::SequenceAttention layer(
      8, 8, {.weights = nn::Weights::sparsemax, .adaptive_temperature = true, .gate = true, .value_dim = 5});
  nn::init::normal_(layer.temperature->weight);
  nn::init::normal_(layer.temperature->bias);
  add("sequence_gated", layer, false, keep);
  add("sequence_gated_of_each", layer, false, of_each);
}

TEST(OnnxCompare, AttentionThatKnowsWhereItLooked) {
  Cases cases;
  manual_seed(13);
  const NoGrad off;
  const nn::LocationAwareAttention layer(7, 5, 6, {.filters = 3, .kernel = 3, .temperature = 0.5});
  const Tensor s = randn({3, 7}), h = randn({3, 6, 5}), previous = softmax(randn({3, 6}) * 3.0, -1);
  const Tensor keep = nn::sequence_mask(tensor({6, 3, 1}, {.dtype = i32}), 6);
  for (const bool first : {true, false}) {
    Graph graph("location");
    const Value state = graph.input("s", Element::f32, {"batch", 7});
    const Value memory = graph.input("h", Element::f32, {"batch", "time", 5});
    const Value may = graph.input("keep", Element::boolean, {"batch", "time"});
    std::vector<std::pair<std::string, Tensor>> inputs{{"s", s}, {"h", h}, {"keep", keep}};
    Value before;
    if (!first) {
      before = graph.input("previous", Element::f32, {"batch", "time"});
      inputs.emplace_back("previous", previous);
    }
    const onnx::Attended made = emit(layer, state, memory, before, may);
    graph.output("y", onnx::concat({made.read, made.weights}, -1), Element::f32, {"batch", "width"});
    const Attended expected = layer.forward(s, h, first ? Tensor() : previous, keep);
    cases.add(first ? "location_first" : "location_later", graph, inputs,
              concat({expected.read, expected.weights}, -1));
  }
}

TEST(OnnxCompare, DecodersOnAMemory) {
  Cases cases;
  manual_seed(14);
  const NoGrad off;
  const Tensor x = randn({3, 7, 16}), memory = randn({3, 5, 16});
  const auto kept = [](int64_t time) { return nn::sequence_mask(tensor({5, 3, 1}, {.dtype = i32}), time); };
  const Tensor keep = kept(7), memory_keep = kept(5);
  for (const bool pre_norm : {true, false}) {
    for (const bool causal : {true, false}) {
      nn::TransformerDecoder layer(16, 4, 2,
                                   {.feedforward = 24,
                                    .activation = pre_norm ? nn::FeedForward::geglu : nn::FeedForward::relu,
                                    .pre_norm = pre_norm,
                                    .key_heads = 2,
                                    .rotary = pre_norm});
      layer.eval();
      Graph graph("decoder");
      const Value in = graph.input("x", Element::f32, {"batch", "time", 16});
      const Value read = graph.input("memory", Element::f32, {"batch", "memory_time", 16});
      const Value may = graph.input("keep", Element::boolean, {"batch", "time"});
      const Value may_read = graph.input("memory_keep", Element::boolean, {"batch", "memory_time"});
      graph.output("y", emit(layer, in, read, {.causal = causal, .keep = may, .memory_keep = may_read}), Element::f32,
                   {"batch", "time", 16});
      cases.add(fmt::format("decoder{}{}", pre_norm ? "_pre_norm" : "", causal ? "_causal" : ""), graph,
                {{"x", x}, {"memory", memory}, {"keep", keep}, {"memory_keep", memory_keep}},
                layer.forward(x, memory,
                              {.causal = causal, .key_padding_keep = keep, .memory_key_padding_keep = memory_keep}));
    }
  }
}

TEST(OnnxCompare, RecurrentLayersOfEveryKind) {
  Cases cases;
  manual_seed(11);
  const NoGrad off;
  const Tensor x = randn({3, 6, 5}), lengths = tensor({6, 3, 1}, {.dtype = i32});
  const auto add = [&](const std::string& name, const nn::RecurrentLayer& layer) {
    Graph graph(name);
    const Value in = graph.input("x", Element::f32, {"batch", "time", 5});
    const Value steps = graph.input("lengths", Element::i64, {"batch"});
    const onnx::Recurrent made = emit(layer, in, steps);
    const nn::RecurrentOutput expected = layer.forward(x, lengths);
    // Behind the outputs the last layer's states.
    const int64_t directions = layer.options().bidirectional ? 2 : 1;
    const Tensor h = expected.h.slice(0, -directions).permute({1, 0, 2}).reshape({3, 1, -1});
    graph.output("y", onnx::concat({made.output, reshape(permute(made.h, {1, 0, 2}), {0, 1, -1})}, 1), Element::f32,
                 {"batch", "time", "width"});
    cases.add(name, graph, {{"x", x}, {"lengths", lengths}}, concat({expected.output, h}, 1));
  };
  for (const bool both : {false, true}) {
    const nn::RecurrentLayerOptions options{.layers = 2, .bidirectional = both, .bias = !both};
    const std::string ending = both ? "_both_ways" : "";
    add("gru" + ending, nn::GRU(5, 4, options));
    add("lstm" + ending, nn::LSTM(5, 4, options));
    add("rnn_tanh" + ending, nn::RNN(5, 4, {.layers = 2, .bidirectional = both}));
    add("rnn_relu" + ending, nn::RNN(5, 4, {.layers = 2, .bidirectional = both, .relu = true}));
  }
}

TEST(OnnxCompare, RecurrentCells) {
  Cases cases;
  manual_seed(12);
  const NoGrad off;
  const Tensor x = randn({3, 5}), h = randn({3, 4}), c = randn({3, 4});
  const auto inputs_of = [](Graph& graph) {
    return std::array{graph.input("x", Element::f32, {"batch", 5}), graph.input("h", Element::f32, {"batch", 4})};
  };
  for (const bool bias : {true, false}) {
    const std::string ending = bias ? "" : "_without_bias";
    const auto add = [&](const std::string& name, const auto& cell) {
      Graph graph(name + ending);
      const auto inputs = inputs_of(graph);
      // Two steps, which the one cell takes.
      graph.output("y", emit(cell, inputs[0], emit(cell, inputs[0], inputs[1])), Element::f32, {"batch", 4});
      cases.add(name + ending, graph, {{"x", x}, {"h", h}}, cell.forward(x, cell.forward(x, h)));
    };
    add("rnn_cell", nn::RNNCell(5, 4, {.bias = bias}));
    add("rnn_relu_cell", nn::RNNCell(5, 4, {.bias = bias, .relu = true}));
    add("gru_cell", nn::GRUCell(5, 4, {.bias = bias}));
    const nn::LSTMCell lstm(5, 4, {.bias = bias});
    Graph graph("lstm_cell" + ending);
    const auto inputs = inputs_of(graph);
    const Value cell_state = graph.input("c", Element::f32, {"batch", 4});
    const onnx::CellState made = emit(lstm, inputs[0], {inputs[1], cell_state});
    graph.output("y", onnx::concat({made.h, made.c}, 1), Element::f32, {"batch", 8});
    const nn::RecurrentState expected = lstm.forward(x, {h, c});
    cases.add("lstm_cell" + ending, graph, {{"x", x}, {"h", h}, {"c", c}}, concat({expected.h, expected.c}, 1));
  }
}

TEST(OnnxCompare, CausalLanguageModels) {
  Cases cases;
  const Tensor tokens = randint(0, 19, {2, 6});
  for (const auto positions : {nn::Positions::learned, nn::Positions::sinusoidal, nn::Positions::rotary,
                               nn::Positions::alibi, nn::Positions::none}) {
    manual_seed(5);
    nn::CausalLM model(19, {.dim = 16,
                            .layers = 2,
                            .context = 8,
                            .positions = positions,
                            .tied = positions != nn::Positions::rotary,
                            .transformer = {.feedforward = 24,
                                            .activation = nn::FeedForward::swiglu,
                                            .pre_norm = true,
                                            .key_heads = 2,
                                            .window = positions == nn::Positions::none ? 3 : 0}});
    nn::init::normal_(model.embedding.weight);
    model.eval();
    Graph graph("language");
    graph.output("logits", emit(model, graph.input("tokens", Element::i64, {"batch", "time"})), Element::f32,
                 {"batch", "time", 19});
    const NoGrad off;
    cases.add(fmt::format("language_{}", nn::name(positions)), graph, {{"tokens", tokens}}, model.forward(tokens));
  }
}

}  // namespace
}  // namespace fovea::test
