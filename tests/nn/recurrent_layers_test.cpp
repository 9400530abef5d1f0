#include <fovea/fovea.h>

#include <cmath>
#include <functional>

#include "support/layer_table.h"

namespace fovea::test {
namespace {

using Vector = std::vector<double>;

/// One direction over x [batch, time, in], each sequence to its own length; what lies past it is 0.
template <class Cell>
Numbers run(const Numbers& x, const std::vector<int64_t>& lengths, int64_t hidden, bool reverse, const Cell& cell) {
  Numbers y({x.size(0), x.size(1), hidden});
  for (int64_t b = 0; b < x.size(0); ++b) {
    const int64_t length = lengths.empty() ? x.size(1) : lengths[static_cast<size_t>(b)];
    Vector h(static_cast<size_t>(hidden), 0), c = h;
    for (int64_t step = 0; step < length; ++step) {
      const int64_t t = reverse ? length - 1 - step : step;
      Vector in;
      for (int64_t i = 0; i < x.size(2); ++i) in.push_back(x(b, t, i));
      cell(in, h, c);
      for (int64_t i = 0; i < hidden; ++i) y(b, t, i) = h[static_cast<size_t>(i)];
    }
  }
  return y;
}

/// Row `row` of w x + b.
double gate(const Numbers& w, const Numbers& b, int64_t row, const Vector& x) {
  double sum = b(row);
  for (size_t i = 0; i < x.size(); ++i) sum += w(row, static_cast<int64_t>(i)) * x[i];
  return sum;
}

/// The gates of one cell by the names of their parameters; those of a layer end in "_l0".
struct Cell {
  const Numbers &w_ih, &w_hh, &b_ih, &b_hh;

  Cell(const Known& p, const std::string& suffix)
      : w_ih(p["weight_ih" + suffix]),
        w_hh(p["weight_hh" + suffix]),
        b_ih(p["bias_ih" + suffix]),
        b_hh(p["bias_hh" + suffix]) {}
  double from_input(int64_t row, const Vector& x) const { return gate(w_ih, b_ih, row, x); }
  double from_state(int64_t row, const Vector& h) const { return gate(w_hh, b_hh, row, h); }
};

/// A step of an Elman network from h.
void rnn_step(const Cell& cell, const Vector& in, Vector& h) {
  const Vector old = h;
  for (size_t i = 0; i < h.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    h[i] = std::tanh(cell.from_input(row, in) + cell.from_state(row, old));
  }
}

Numbers naive_rnn(const Known& p, const Numbers& x) {
  const Cell cell(p, "_l0");
  return run(x, {}, 2, false, [&](const Vector& in, Vector& h, Vector&) { rnn_step(cell, in, h); });
}

void lstm_step(const Cell& cell, const Vector& in, Vector& h, Vector& c) {
  const Vector old = h;
  const auto hidden = static_cast<int64_t>(h.size());
  for (int64_t i = 0; i < hidden; ++i) {
    const auto pre = [&](int64_t gate) {
      return cell.from_input(gate * hidden + i, in) + cell.from_state(gate * hidden + i, old);
    };
    double& cell_state = c[static_cast<size_t>(i)];
    cell_state = naive_sigmoid(pre(1)) * cell_state + naive_sigmoid(pre(0)) * std::tanh(pre(2));
    h[static_cast<size_t>(i)] = naive_sigmoid(pre(3)) * std::tanh(cell_state);
  }
}

Numbers naive_lstm(const Known& p, const Numbers& x) {
  const Cell cell(p, "_l0");
  return run(x, {}, 2, false, [&](const Vector& in, Vector& h, Vector& c) { lstm_step(cell, in, h, c); });
}

void gru_step(const Cell& cell, const Vector& in, Vector& h) {
  const Vector old = h;
  const auto hidden = static_cast<int64_t>(h.size());
  for (int64_t i = 0; i < hidden; ++i) {
    const double r = naive_sigmoid(cell.from_input(i, in) + cell.from_state(i, old));
    const double z = naive_sigmoid(cell.from_input(hidden + i, in) + cell.from_state(hidden + i, old));
    const double n = std::tanh(cell.from_input(2 * hidden + i, in) + r * cell.from_state(2 * hidden + i, old));
    h[static_cast<size_t>(i)] = (1 - z) * n + z * old[static_cast<size_t>(i)];
  }
}

Numbers naive_gru(const Known& p, const Numbers& x, const std::vector<int64_t>& lengths, int64_t hidden, bool reverse) {
  const Cell cell(p, reverse ? "_l0_reverse" : "_l0");
  return run(x, lengths, hidden, reverse, [&](const Vector& in, Vector& h, Vector&) { gru_step(cell, in, h); });
}

/// One step of a cell from states [batch, hidden] each: the states after.
std::vector<Numbers> naive_cell(const std::vector<Numbers>& given,
                                const std::function<void(const Vector& in, Vector& h, Vector& c)>& step) {
  std::vector<Numbers> after(given.begin() + 1, given.end());
  const auto row_of = [](const Numbers& x, int64_t b) {
    Vector row;
    for (int64_t i = 0; i < x.size(1); ++i) row.push_back(x(b, i));
    return row;
  };
  for (int64_t b = 0; b < given[0].size(0); ++b) {
    Vector h = row_of(after[0], b), c = after.size() > 1 ? row_of(after[1], b) : Vector();
    step(row_of(given[0], b), h, c);
    for (int64_t i = 0; i < after[0].size(1); ++i) {
      after[0](b, i) = h[static_cast<size_t>(i)];
      if (after.size() > 1) after[1](b, i) = c[static_cast<size_t>(i)];
    }
  }
  return after;
}

Numbers naive_both_ways(const Known& p, const Numbers& x, const std::vector<int64_t>& lengths, int64_t hidden) {
  return naive_concat(naive_gru(p, x, lengths, hidden, false), naive_gru(p, x, lengths, hidden, true));
}

/// AttentionPool with additive scores over the first `lengths` steps: read [n, d] and weights [n, time].
std::pair<Numbers, Numbers> pooled(const Known& p, const Numbers& x, const std::vector<int64_t>& lengths) {
  const Numbers hidden = each(naive_linear(x, p["key.weight"], p["key.bias"]), naive_tanh);
  Numbers scores({x.size(0), x.size(1)}), keep = scores;
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t t = 0; t < x.size(1); ++t) {
      keep(n, t) = t < lengths[static_cast<size_t>(n)];
      for (int64_t i = 0; i < hidden.size(2); ++i) scores(n, t) += hidden(n, t, i) * p["query"](i);
    }
  }
  const Numbers weights = naive_softmax(scores, keep);
  return {naive_read(weights.as({x.size(0), 1, x.size(1)}), x).as({x.size(0), x.size(2)}), weights};
}

std::vector<Numbers> naive_hierarchy(const Known& p, const std::vector<Numbers>& given) {
  const Numbers &x = given[0], &lengths = given[1];
  const int64_t batch = x.size(0), sentences = x.size(1), words = x.size(2), hidden = 2;
  std::vector<int64_t> each_sentence, there(static_cast<size_t>(batch), 0);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t s = 0; s < sentences; ++s) {
      each_sentence.push_back(static_cast<int64_t>(lengths(b, s)));
      there[static_cast<size_t>(b)] += lengths(b, s) > 0;
    }
  }
  const Numbers flat = x.as({batch * sentences, words, x.size(3)});
  const Numbers states = naive_both_ways(p.under("word_encoder"), flat, each_sentence, hidden);
  const auto [vectors, word_weights] = pooled(p.under("word_pool"), states, each_sentence);
  const Numbers context =
      naive_both_ways(p.under("sentence_encoder"), vectors.as({batch, sentences, 2 * hidden}), there, hidden);
  const auto [read, sentence_weights] = pooled(p.under("sentence_pool"), context, there);
  return {read, word_weights.as({batch, sentences, words}), sentence_weights};
}

std::vector<LayerRow> recurrent_rows() {
  const Tensor x = random({2, 3, 3});
  const Tensor lengths = from_vector(std::vector<int32_t>{3, 1, 2, 0}, {2, 2});
  const auto run_layer = [](const nn::RecurrentLayer& m, const Inputs& x) { return m.forward(x[0]).output; };
  const auto of_one = [](auto f) { return [f](const Known& p, const std::vector<Numbers>& x) { return f(p, x[0]); }; };
  return {
      row<nn::RNN>("RNN", built<nn::RNN>(3, 2), {x}, run_layer, of_one(naive_rnn)),
      row<nn::LSTM>("LSTM", built<nn::LSTM>(3, 2), {x}, run_layer, of_one(naive_lstm)),
      row<nn::GRU>("GRU", built<nn::GRU>(3, 2, nn::GRUOptions{.bidirectional = true}), {x}, run_layer,
                   of_one([](const Known& p, const Numbers& x) { return naive_both_ways(p, x, {}, 2); })),
      row<nn::RNNCell>(
          "RNNCell", built<nn::RNNCell>(3, 2), {random({4, 3}), random({4, 2})},
          [](const nn::RNNCell& m, const Inputs& x) { return m.forward(x[0], x[1]); },
          [](const Known& p, const std::vector<Numbers>& x) {
            return naive_cell(x, [&](const Vector& in, Vector& h, Vector&) { rnn_step({p, ""}, in, h); });
          }),
      row<nn::GRUCell>(
          "GRUCell", built<nn::GRUCell>(3, 2), {random({4, 3}), random({4, 2})},
          [](const nn::GRUCell& m, const Inputs& x) { return m.forward(x[0], x[1]); },
          [](const Known& p, const std::vector<Numbers>& x) {
            return naive_cell(x, [&](const Vector& in, Vector& h, Vector&) { gru_step({p, ""}, in, h); });
          }),
      row<nn::LSTMCell>(
          "LSTMCell", built<nn::LSTMCell>(3, 2), {random({4, 3}), random({4, 2}), random({4, 2})},
          [](const nn::LSTMCell& m, const Inputs& x) {
            const nn::RecurrentState after = m.forward(x[0], {x[1], x[2]});
            return Outputs{after.h, after.c};
          },
          [](const Known& p, const std::vector<Numbers>& x) {
            return naive_cell(x, [&](const Vector& in, Vector& h, Vector& c) { lstm_step({p, ""}, in, h, c); });
          }),
      row<nn::HierarchicalAttention>(
          "HierarchicalAttention", built<nn::HierarchicalAttention>(2, nn::HierarchicalOptions{.hidden = 2}),
          {random({2, 2, 3, 2}), lengths},
          [](const nn::HierarchicalAttention& m, const Inputs& x) {
            const nn::Document d = m.forward_with_weights(x[0], x[1]);
            return Outputs{d.read, d.words, d.sentences};
          },
          naive_hierarchy),
  };
}

INSTANTIATE_TEST_SUITE_P(Recurrent, Layer, ::testing::ValuesIn(recurrent_rows()), row_name);

TEST(HierarchicalAttention, TakesAnEmptyBatch) {
  const nn::HierarchicalAttention layer(2, {.hidden = 3});
  EXPECT_EQ(layer.forward(ones({0, 4, 5, 2}), zeros({0, 4}, {.dtype = i32})).shape(), (Shape{0, 6}));
  EXPECT_EQ(layer.forward(ones({2, 0, 5, 2}), zeros({2, 0}, {.dtype = i32})).shape(), (Shape{2, 6}));
}

}  // namespace
}  // namespace fovea::test
