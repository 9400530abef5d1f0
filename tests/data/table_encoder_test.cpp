#include "fovea/data/table_encoder.h"

#include <numeric>

#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::TempFolder;
using Ids = std::vector<int32_t>;

constexpr const char* table =
    "age,town,code,size,kind\n"
    "20,Ulm,1,1e1,a\n"
    "40,?,2,-5,b\n"
    "NA,Bonn,1,+2.5,a\n"
    "60,Ulm,x,,b\n";

TabularDataset rows_of(const char* content) {
  static TempFolder folder;
  return load_tabular_dataset(folder.write("a.csv", content));
}

std::vector<int64_t> all(const TabularDataset& rows) {
  std::vector<int64_t> indices(static_cast<size_t>(rows.size()));
  std::iota(indices.begin(), indices.end(), int64_t{0});
  return indices;
}

TEST(TableEncoder, FindsOutWhatColumnsHold) {
  const TabularDataset rows = rows_of(table);
  const TableEncoder encoder = TableEncoder::fit(rows, all(rows), {.scaling = Scaling::standard});
  ASSERT_EQ(encoder.columns().size(), 4u);
  EXPECT_TRUE(encoder.columns()[0].numeric);
  EXPECT_FALSE(encoder.columns()[1].numeric);
  EXPECT_FALSE(encoder.columns()[2].numeric);
  EXPECT_TRUE(encoder.columns()[3].numeric);
  EXPECT_EQ(encoder.numeric_columns(), 2);
  EXPECT_EQ(encoder.categorical_columns(), 2);
  EXPECT_EQ(encoder.first_ids(), (Ids{0, 3}));
  EXPECT_EQ(encoder.ids(), 7);  // missing, Bonn, Ulm; missing, 1, 2, x

  const EncodedTable encoded = encoder.encode(rows);
  EXPECT_EQ(encoded.categories, (Ids{2, 4, 0, 5, 1, 4, 2, 6}));
  EXPECT_EQ(encoded.missing, (std::vector<uint8_t>{0, 0, 0, 0, 1, 0, 0, 1}));
  EXPECT_EQ(encoded.numbers[4], 0);
  EXPECT_NEAR(encoded.numbers[2], 0, 1e-6);  // 40 is the mean of the ages
  EXPECT_NEAR(encoded.numbers[6], std::sqrt(1.5), 1e-6);
}

TEST(TableEncoder, NotesTheCellThatMakesCategoriesOfNumbers) {
  std::string content = "typo,codes,fine,told,kind\n";
  for (int row = 0; row < 20; ++row) {
    content += fmt::format("{},{},{},{},a\n", row == 7 ? "1e400" : "1", row % 2 ? "x" : "1", row, row == 7 ? "x" : "1");
  }
  const TabularDataset rows = rows_of(content.c_str());
  const TableEncoder encoder = TableEncoder::fit(rows, all(rows), {.categorical = {"told"}});
  std::vector<int64_t> odd;
  for (const auto& column : encoder.columns()) odd.push_back(column.odd_row);
  EXPECT_EQ(odd, (std::vector<int64_t>{7, -1, -1, -1}));
}

TEST(TableEncoder, NotesColumnsThatNameRows) {
  std::string content = "name,told,twice,number,rare,kind\n";
  for (int row = 0; row < 20; ++row) {
    content += fmt::format("n{},t{},w{},{},{},a\n", row < 18 ? row : 0, row, row / 2, row, row < 5 ? "r" : "");
  }
  const TabularDataset rows = rows_of(content.c_str());
  const TableEncoder encoder = TableEncoder::fit(rows, all(rows), {.categorical = {"told"}});
  std::vector<bool> names;
  for (const auto& column : encoder.columns()) names.push_back(column.names_rows);
  EXPECT_EQ(names, (std::vector<bool>{true, false, false, false, false}));
  const std::vector<int64_t> few{0, 1, 2, 3};
  EXPECT_FALSE(TableEncoder::fit(rows, few, {}).columns()[0].names_rows);
}

TEST(TableEncoder, ReadsNumbersWithACommaForThePoint) {
  TempFolder folder;
  const std::string path = folder.write("a.csv", "price;count;kind\n3,5;1;a\n-0,5;2;b\n1e1;NA;a\n");
  const TabularDataset rows = load_tabular_dataset(path, {}, {.delimiter = ';'});
  const TableEncoder told = TableEncoder::fit(rows, all(rows), {.scaling = Scaling::standard, .decimal_comma = true});
  EXPECT_EQ(told.numeric_columns(), 2);
  const std::string file = folder / "columns.json";
  told.save(file);
  const TableEncoder encoder = TableEncoder::load(file);
  const std::vector<float> numbers = encoder.encode(rows).numbers;
  EXPECT_EQ(numbers, told.encode(rows).numbers);
  EXPECT_NEAR((numbers[2] - numbers[0]) / (numbers[4] - numbers[0]), -4 / 6.5, 1e-6);
  // A typed row may have a point; a file may not.
  TabularDataset typed{.columns = rows.columns};
  append_typed_row(typed, R"({"price": 3.5, "count": "1,0"})");
  EXPECT_EQ(encoder.encode(typed).numbers, (std::vector<float>{numbers[0], numbers[1]}));
  const std::string point = folder.write("b.csv", "price;count;kind\n1.234;1;a\n");
  EXPECT_EQ(error_of([&] { encoder.encode(load_tabular_dataset(point, {}, {.delimiter = ';'})); }),
            "b.csv:2: column \"price\": \"1.234\" is not a number");
  const TableEncoder untold = TableEncoder::fit(rows, all(rows), {});
  EXPECT_EQ(untold.columns()[0].comma_row, 0);
  EXPECT_EQ(untold.columns()[1].comma_row, -1);
  EXPECT_EQ(TableEncoder::fit(rows, all(rows), {.categorical = {"price"}}).columns()[0].comma_row, -1);
  const TabularDataset thousands = rows_of("n,kind\n\"1,000,280\",a\n\"2,000,000\",b\n");
  EXPECT_EQ(TableEncoder::fit(thousands, all(thousands), {}).columns()[0].comma_row, -1);
}

TEST(TableEncoder, ANumberTooSmallForADoubleIsZero) {
  const TabularDataset rows = rows_of("p,kind\n0.5,a\n1e-400,b\n1,a\n");
  const TableEncoder encoder = TableEncoder::fit(rows, all(rows), {.scaling = Scaling::standard});
  ASSERT_TRUE(encoder.columns()[0].numeric);
  EXPECT_NEAR(encoder.encode(rows).numbers[1], -std::sqrt(1.5), 1e-6);
}

TEST(TableEncoder, LearnsFromTheGivenRowsAlone) {
  const TabularDataset rows = rows_of(table);
  const std::vector<int64_t> first{0, 2};
  const TableEncoder encoder = TableEncoder::fit(rows, first, {});
  EXPECT_TRUE(encoder.columns()[2].numeric);  // no x among them
  EXPECT_EQ(encoder.columns()[1].categories, (std::vector<std::string>{"Bonn", "Ulm"}));
  EXPECT_EQ(error_of([&] { encoder.encode(rows); }), "a.csv:5: column \"code\": \"x\" is not a number");
}

TEST(TableEncoder, ACategoryThatItHasNotSeenIsMissing) {
  const TabularDataset rows = rows_of(table), others = rows_of("age,town,code,size,kind\n1,Rome,3,1,a\n");
  const TableEncoder encoder = TableEncoder::fit(rows, all(rows), {});
  EXPECT_EQ(encoder.encode(others).categories, (Ids{0, 3}));
}

TEST(TableEncoder, MayBeTold) {
  const TabularDataset rows = rows_of(table);
  const TableEncoder encoder = TableEncoder::fit(rows, all(rows), {.categorical = {"age"}, .missing = {"x"}});
  EXPECT_FALSE(encoder.columns()[0].numeric);
  EXPECT_EQ(encoder.columns()[0].categories, (std::vector<std::string>{"20", "40", "60", "NA"}));
  EXPECT_TRUE(encoder.columns()[2].numeric);  // x is what is missing there
  EXPECT_EQ(error_of([&] { TableEncoder::fit(rows, all(rows), {.numeric = {"town"}}); }),
            "a.csv:2: column \"town\": \"Ulm\" is not a number");
  EXPECT_EQ(error_of([&] { TableEncoder::fit(rows, all(rows), {.numeric = {"income"}}); }),
            "a.csv: no column \"income\" to learn from; there are \"age\", \"town\", \"code\", \"size\"");
  EXPECT_EQ(error_of([&] { TableEncoder::fit(rows, all(rows), {.numeric = {"age"}, .categorical = {"age"}}); }),
            "a.csv: \"age\" is to be both numeric and categorical");
}

TEST(TableEncoder, SurvivesItsFile) {
  TempFolder folder;
  const TabularDataset rows = rows_of(table);
  for (const Scaling scaling : {Scaling::standard, Scaling::quantile}) {
    const TableEncoder encoder = TableEncoder::fit(rows, all(rows), {.scaling = scaling});
    encoder.save(folder / "columns.json");
    const TableEncoder again = TableEncoder::load(folder / "columns.json");
    EXPECT_EQ(again.encode(rows).numbers, encoder.encode(rows).numbers);
    EXPECT_EQ(again.encode(rows).categories, encoder.encode(rows).categories);
    EXPECT_EQ(again.ids(), encoder.ids());
  }
  const TabularDataset noted = load_tabular_dataset(
      folder.write("noted.csv", "age,note,town,kind\n20,quiet,Ulm,a\n40,loud,Bonn,b\n"), {.text = {"note"}});
  TableEncoder::fit(noted, all(noted), {}).save(folder / "columns.json");
  EXPECT_EQ(TableEncoder::load(folder / "columns.json").order(), (std::vector<std::string>{"age", "note", "town"}));
  EXPECT_EQ(error_of([&] { TableEncoder::load(folder.write("c.json", "{\n,")); }), "c.json:2: not valid JSON");
  EXPECT_EQ(error_of([&] { TableEncoder::load(folder.write("c.json", "[1e999]")); }),
            "c.json: it holds a number that is too large");
  for (const char* bad : {"[]", R"({"missing": []})", R"({"missing": [], "columns": [{"name": 1}]})"}) {
    EXPECT_EQ(error_of([&] { TableEncoder::load(folder.write("c.json", bad)); }), "c.json: not the columns of a model");
  }
  const std::string falling =
      R"({"missing":[],"columns":[{"name":"a","kind":"numeric","scaling":"quantile","scale":[2,1,0,1]}]})";
  EXPECT_EQ(error_of([&] { TableEncoder::load(folder.write("c.json", falling)); }),
            "c.json: a column's scale is not one");
}

}  // namespace
}  // namespace fovea::data
