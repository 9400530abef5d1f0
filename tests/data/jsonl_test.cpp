#include <clocale>

#include "data/read_rows.h"
#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::read_rows;
using testing::Table;
using testing::TempFolder;

TEST(JsonLines, CheckOnlySelectedFields) {
  TempFolder folder;
  const auto table =
      open_table(folder.write("a.jsonl", "{\"a\":1,\"b\":[1,{\"a\":2}]}\n{\"a\":2}\n{\"b\":{\"a\":4},\"a\":3}\n"));
  table->select({table->column("a")});
  EXPECT_EQ(read_rows(*table), (Table{{"1"}, {"2"}, {"3"}}));
}

TEST(JsonLines, TakeListsInTheColumnThatMayHoldThem) {
  TempFolder folder;
  const auto read = [&](const std::string& rows) {
    const auto table = open_table(folder.write("a.jsonl", "{\"a\":\"x\",\"b\":\"y\"}\n" + rows));
    table->select({table->column("b"), table->column("a")});
    table->allow_list(table->column("b"));
    return read_rows(*table);
  };
  using namespace std::string_literals;
  EXPECT_EQ(read("{\"b\":[\"p, q\",\"r\",7,true],\"c\":[[1]],\"a\":\"z\"}\n{\"a\":\"s\",\"b\":[]}\n"),
            (Table{{"y", "x"}, {"p, q\0r\0007\0true\0"s, "z"}, {"", "s"}}));
  EXPECT_EQ(error_of([&] { read("{\"a\":[\"x\"],\"b\":\"y\"}\n"); }),
            "a.jsonl:2: field \"a\" is an array, expected a string or a number");
  EXPECT_EQ(error_of([&] { read("{\"a\":\"x\",\"b\":{\"c\":1}}\n"); }),
            "a.jsonl:2: field \"b\" is an object, expected a string or a number");
  EXPECT_EQ(error_of([&] { read("{\"a\":\"x\",\"b\":[\"c\",[\"d\"]]}\n"); }),
            "a.jsonl:2: field \"b\" holds an array in its list");
  EXPECT_EQ(error_of([&] { read("{\"a\":\"x\",\"b\":[{\"c\":1}]}\n"); }),
            "a.jsonl:2: field \"b\" holds an object in its list");
  EXPECT_EQ(error_of([&] { read("{\"a\":\"x\",\"b\":[\"c\\u0000d\"]}\n"); }),
            "a.jsonl:2: field \"b\" holds a NUL character");
  EXPECT_EQ(error_of([&] { read("{\"a\":\"x\",\"b\":[\"c\"\n"); }), "a.jsonl:2: the JSON object is cut off");
  EXPECT_THROW(open_table(folder.write("a.csv", "a,b\n"))->allow_list(2), IndexError);
}

TEST(JsonLines, OfAnyDepthNeedNoStack) {
  TempFolder folder;
  const std::string deep(2000000, '[');
  EXPECT_EQ(error_of([&] { read_rows(folder.write("a.jsonl", "{\"a\":1,\"b\":" + deep)); }),
            "a.jsonl:1: the JSON object is cut off");
}

TEST(JsonLines, WithManyKeysTakeNoLongerEach) {
  TempFolder folder;
  std::string line = "{\"k0\":0";
  for (int i = 1; i < 100000; ++i) line += fmt::format(",\"k{}\":{}", i, i);
  EXPECT_EQ(open_table(folder.write("a.jsonl", line + "}\n"))->columns().size(), 100000u);
  EXPECT_EQ(error_of([&] { open_table(folder.write("a.jsonl", line + ",\"k7\":1}\n")); }),
            "a.jsonl:1: field \"k7\" stands there twice");
}

TEST(JsonLines, KeepNumbersAsTheyAreInEveryLocale) {
  TempFolder folder;
  const std::string path = folder.write("a.jsonl", "{\"a\":1.50,\"b\":-2.5e-3}\n"),
                    before = setlocale(LC_NUMERIC, nullptr);
  bool found = false;
  for (const char* locale : {"de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8"})
    found = found || setlocale(LC_NUMERIC, locale);
  const Table rows = read_rows(path);
  setlocale(LC_NUMERIC, before.c_str());
  EXPECT_EQ(rows, (Table{{"1.50", "-2.5e-3"}}));
  if (!found) GTEST_SKIP() << "no locale with a decimal comma is installed";
}

}  // namespace
}  // namespace fovea::data
