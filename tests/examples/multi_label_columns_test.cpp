// Labels that have a column each (--label-columns): what they are beside a column that names them.
#include "data/temp_folder.h"
#include "exports.h"
#include "media_classifiers.h"
#include "multi_label.h"
#include "refusal.h"
#include "server.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;

/// A table with a column for each label in place of the one whose cells name them between `separator`.
std::string with_columns(const std::string& table, const std::string& column, char separator,
                         const std::vector<std::string>& labels) {
  std::string out;
  size_t place = 0;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> fields = data::parse_csv_record(line);
    const bool header = out.empty();
    if (header) place = static_cast<size_t>(std::find(fields.begin(), fields.end(), column) - fields.begin());
    const std::string cell = separator + std::exchange(fields[place], "") + separator;
    fields.erase(fields.begin() + static_cast<int64_t>(place));
    for (const std::string& label : labels) {
      fields.push_back(header ? label : cell.find(separator + label + separator) != std::string::npos ? "1" : "");
    }
    out += fmt::format("{}\n", fmt::join(fields, ","));
  }
  return out;
}

struct Form {
  std::string name, program, table, test, column, columns;
  char separator;
  std::vector<std::string> labels;
  Words flags;
};

std::vector<Form> forms() {
  const Words rows{"--dim", "8", "--heads", "2", "--batch-size", "16", "--threads", "1"};
  return {{"text",
           TEXT_CLASSIFIER,
           topics_csv(200),
           topics_csv(50, 2),
           "label",
           "sea,snow,sun",
           ',',
           {"sea", "snow", "sun"},
           small},
          {"stream",
           TEXT_CLASSIFIER,
           topics_csv(200),
           topics_csv(50, 2),
           "label",
           "sea,snow,sun",
           ',',
           {"sea", "snow", "sun"},
           small + Words{"--stream"}},
          {"tabular",
           TABULAR_CLASSIFIER,
           labelled_rows(200, 1),
           labelled_rows(50, 2),
           "class",
           "right,up",
           '|',
           {"right", "up"},
           rows},
          {"multimodal",
           MULTIMODAL_CLASSIFIER,
           labelled_rows(200, 1, true),
           labelled_rows(50, 2, true),
           "class",
           "right,up,red",
           '|',
           {"right", "up", "red"},
           rows + Words{"--text", "note"}}};
}

class LabelColumns : public testing::TestWithParam<size_t> {
 protected:
  Words train_into(const std::string& out, const std::string& data, const Words& flags) const {
    return Words{"train", "--train", data, "--out", folder / out, "--multi-label", "--epochs", "2"} + form.flags +
           flags;
  }
  void learn(const std::string& out, const std::string& data, const Words& flags) const {
    const Finished done = run(form.program, train_into(out, data, flags));
    ASSERT_EQ(done.status, 0) << done.error;
    EXPECT_EQ(done.error, "");
  }
  Json evaluate(const std::string& out, const std::string& data, const Words& flags = {}) const {
    const Words files{"evaluate", "--model", folder / out, "--data", data, "--json"};
    const Finished done = run(form.program, files + flags);
    EXPECT_EQ(done.status, 0) << done.error;
    return done.status == 0 ? last_line(done.out) : Json();
  }

  const Form form = forms()[GetParam()];
  TempFolder folder;
  const std::string named = folder.write("named.csv", form.table),
                    named_test = folder.write("named_test.csv", form.test);
  const std::string apart =
      folder.write("apart.csv", with_columns(form.table, form.column, form.separator, form.labels));
  const std::string apart_test =
      folder.write("apart_test.csv", with_columns(form.test, form.column, form.separator, form.labels));
  const Words by_column{"--label-columns", form.columns};
  const Words by_name{"--label", form.column, "--label-separator", std::string(1, form.separator)};
};

TEST_P(LabelColumns, TeachWhatOneColumnTeaches) {
  learn("apart", apart, by_column);
  learn("named", named, by_name);
  EXPECT_TRUE(tensor_bytes(folder / "apart") == tensor_bytes(folder / "named"));
  // How a file tells its labels is told by evaluate, else by the model.
  const Json expected = evaluate("named", named_test);
  EXPECT_EQ(expected["examples"], 50);
  EXPECT_EQ(evaluate("apart", apart_test), expected);
  EXPECT_EQ(evaluate("apart", named_test, by_name), expected);
  EXPECT_EQ(evaluate("named", apart_test, by_column), expected);

  const Words onnx{"export", "--model", folder / "named", "--onnx", folder / "named.onnx", "--data", apart_test};
  const Finished exported = run(form.program, onnx + Words{"--label-columns", form.columns});
  EXPECT_EQ(exported.status, 0) << exported.error;
  const std::string inputs = form.program == TEXT_CLASSIFIER ? "the wave"
                             : form.labels.size() == 2       ? "0.5,-0.5"
                                                             : "1,1,red";
  const auto predict = [&](const std::string& model) {
    const Finished done = run(form.program, {"predict", "--model", folder / model, "--json", inputs});
    EXPECT_EQ(done.status, 0) << done.error;
    return done.out;
  };
  EXPECT_EQ(predict("apart"), predict("named"));
}

TEST_P(LabelColumns, GoOnWhereTheyStopped) {
  const Words flags = by_column + Words{"--patience", "0"};
  learn("whole", apart, flags);
  learn("cut", apart, flags + Words{"--max-minutes", "1e-6"});
  learn("cut", apart, Words{"--resume"});
  EXPECT_TRUE(tensor_bytes(folder / "cut") == tensor_bytes(folder / "whole"));
  learn("cut", apart, Words{"--resume"});  // which is complete
  expect_refused(
      form.program,
      train_into("cut", apart, {"--resume", "--label-columns", form.labels[0] + "," + form.labels[1], "--lr", "0.5"}),
      form.program.substr(form.program.rfind('/') + 1) + ": --resume: the run in ", folder / "");
}

TEST_P(LabelColumns, AreRefusedByLine) {
  const std::string name = form.program.substr(form.program.rfind('/') + 1);
  std::string wrong = read_back(apart);
  wrong.insert(wrong.find('\n', wrong.find('\n') + 1), "?");
  const std::string file = folder.write("wrong.csv", wrong);
  const auto refuses = [&](const std::string& data, const Words& flags, const std::string& error) {
    expect_refused(form.program, train_into("out", data, flags), error, folder / "");
  };
  const bool held = wrong[wrong.find('?') - 1] == '1';
  refuses(file, by_column,
          fmt::format("{}:2: \"{}?\" in column \"{}\"; whether a row", file, held ? "1" : "", form.labels.back()));
  refuses(apart, {"--label-columns", "moon"}, apart + ": no column \"moon\"");
  refuses(apart, by_column + Words{"--label", form.labels[0]}, name + ": --label does not go with --label-columns");
  refuses(apart, by_column + Words{"--label-separator", ";"},
          name + ": --label-separator is of no use with --label-columns");
  expect_refused(form.program, Words{"train", "--train", apart, "--out", folder / "out"} + form.flags + by_column,
                 name + ": --label-columns is of no use without --multi-label", folder / "");
  std::string none = read_back(apart);
  none.insert(none.find('\n'), ",never");
  for (size_t end = none.find('\n'); (end = none.find('\n', end + 1)) != std::string::npos; end += 2)
    none.insert(end, ",0");
  const std::string never = folder.write("never.csv", none);
  refuses(never, {"--label-columns", form.columns + ",never"},
          fmt::format("{}: 1 of {} columns of labels hold no 1 (--label-columns); those that do are ", never,
                      form.labels.size() + 1));
}

INSTANTIATE_TEST_SUITE_P(Tables, LabelColumns, testing::Range<size_t>(0, forms().size()),
                         [](const auto& info) { return forms()[info.param].name; });

TEST(LabelColumnsOfServedModels, AreNotAskedFor) {
  SKIP_WITHOUT_HTTP();
  const TempFolder folder;
  const Form form = forms()[2];
  const std::string data = folder.write("t.csv", with_columns(form.table, form.column, form.separator, form.labels));
  const Words train{"train",         "--train",         data,      "--out", folder / "model",
                    "--multi-label", "--label-columns", "right,up"};
  ASSERT_EQ(run(form.program, train + Words{"--epochs", "1"} + form.flags).status, 0);
  Server server(form.program, folder / "model");
  const Reply reply = ask(server.port, "POST", "/predict", R"({"input": {"x": 0.5, "y": -0.5}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(Json::parse(reply.body)["predictions"][0]["probabilities"].size(), 2u);
  EXPECT_EQ(Json::parse(ask(server.port, "GET", "/model").body)["options"]["label-columns"], (Json{"right", "up"}));
  server.signal(SIGTERM);
  EXPECT_EQ(server.finish().status, 0);
}

}  // namespace
}  // namespace fovea::test
