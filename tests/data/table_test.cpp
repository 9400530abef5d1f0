#include "fovea/data/table.h"

#include "data/read_rows.h"
#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::gzip;
using testing::Random;
using testing::read_rows;
using testing::Table;
using testing::TempFolder;

struct Case {
  const char* description;
  std::string file;
  std::string content;
};
struct GoodCase : Case {
  Table rows;
  std::vector<int64_t> lines;
};
struct BadCase : Case {
  std::string error;  // without the file's name
};

const GoodCase good_cases[] = {
    {{"plain", "a.csv", "a,b\n1,2\n3,4\n"}, {{"1", "2"}, {"3", "4"}}, {2, 3}},
    {{"no break at the end", "a.csv", "a,b\n1,2"}, {{"1", "2"}}, {2}},
    {{"empty fields", "a.csv", "a,b,c\n,,\n1,,3\n"}, {{"", "", ""}, {"1", "", "3"}}, {2, 3}},
    {{"empty last field at the end", "a.csv", "a,b\n1,"}, {{"1", ""}}, {2}},
    {{"CRLF", "a.csv", "a,b\r\n1,2\r\n3,4\r\n"}, {{"1", "2"}, {"3", "4"}}, {2, 3}},
    {{"byte-order mark", "a.csv",
      "\xef\xbb\xbf"
      "a,b\n1,2\n"},
     {{"1", "2"}},
     {2}},
    {{"byte-order mark and quote", "a.csv", "\xef\xbb\xbf\"a\",b\n1,2\n"}, {{"1", "2"}}, {2}},
    {{"quoted", "a.csv", "a,b\n\"1\",\"2\"\n"}, {{"1", "2"}}, {2}},
    {{"quoted and empty", "a.csv", "a,b\n\"\",\"\"\n"}, {{"", ""}}, {2}},
    {{"quoted at the end", "a.csv", "a,b\n1,\"2\""}, {{"1", "2"}}, {2}},
    {{"quoted delimiter", "a.csv", "a,b\n\"1,5\",2\n"}, {{"1,5", "2"}}, {2}},
    {{"doubled quotes", "a.csv", "a,b\n\"\"\"1\"\"\",\"a\"\"b\"\"c\"\n"}, {{"\"1\"", "a\"b\"c"}}, {2}},
    {{"only a doubled quote", "a.csv", "a,b\n\"\"\"\",2\n"}, {{"\"", "2"}}, {2}},
    {{"line breaks in quotes", "a.csv", "a,b\n\"x\ny\r\nz\",2\n3,4\n"}, {{"x\ny\r\nz", "2"}, {"3", "4"}}, {2, 5}},
    {{"line break in the header", "a.csv", "\"a\nb\",c\n1,2\n"}, {{"1", "2"}}, {3}},
    {{"carriage return in quotes", "a.csv", "a,b\n\"x\ry\",2\n"}, {{"x\ry", "2"}}, {2}},
    {{"blank lines", "a.csv", "\n\na,b\n\n1,2\n\r\n\n3,4\n\n\n"}, {{"1", "2"}, {"3", "4"}}, {5, 8}},
    {{"blanks are kept", "a.csv", "a,b\n 1 , 2\n"}, {{" 1 ", " 2"}}, {2}},
    {{"one column", "a.csv", "a\n1\n2\n"}, {{"1"}, {"2"}}, {2, 3}},
    {{"header only", "a.csv", "a,b\n"}, {}, {}},
    {{"UTF-8", "a.csv", "a,b\n酒店,\"é\"\"😀\"\n"}, {{"酒店", "é\"😀"}}, {2}},
    {{"tabs", "a.tsv", "a\tb\n1,5\t2\n"}, {{"1,5", "2"}}, {2}},
    {{"quoted tab", "a.tsv", "a\tb\n\"1\t5\"\t2\n"}, {{"1\t5", "2"}}, {2}},
    {{"quote inside a TSV field", "a.tsv", "a\tb\n5\" disk\tsay \"hi\"\n"}, {{"5\" disk", "say \"hi\""}}, {2}},
    {{"another ending", "a.TAB", "a\tb\n1\t2\n"}, {{"1", "2"}}, {2}},
    {{"JSONL", "a.jsonl", "{\"a\":\"1\",\"b\":\"2\"}\n{\"b\":\"4\",\"a\":\"3\"}\n"}, {{"1", "2"}, {"3", "4"}}, {1, 2}},
    {{"JSON values", "a.jsonl", "{\"a\":-1,\"b\":2.50}\n{\"a\":true,\"b\":null}\n{\"a\":1e3,\"b\":false}\n"},
     {{"-1", "2.50"}, {"true", ""}, {"1e3", "false"}},
     {1, 2, 3}},
    {{"JSON escapes", "a.jsonl", "{\"a\":\"x\\ny\\u00e9\\\"\\ud83d\\ude00\"}\n"}, {{"x\ny\u00e9\"😀"}}, {1}},
    {{"JSONL without its last break", "a.jsonl", "{\"a\":\"1\"}"}, {{"1"}}, {1}},
    {{"JSONL with blank lines and CRLF", "a.ndjson", "\r\n{\"a\":1}\r\n  \n{\"a\":2}\r\n"}, {{"1"}, {"2"}}, {2, 4}},
    {{"JSONL with a byte-order mark", "a.jsonl", "\xef\xbb\xbf{\"a\":1}\n"}, {{"1"}}, {1}},
    {{"JSONL with more keys later", "a.jsonl", "{\"a\":1}\n{\"a\":2,\"z\":{\"a\":[3]}}\n"}, {{"1"}, {"2"}}, {1, 2}},
};

TEST(Table, ReadsWellFormedFiles) {
  TempFolder folder;
  for (const GoodCase& c : good_cases) {
    SCOPED_TRACE(c.description);
    const auto table = open_table(folder.write(c.file, c.content));
    std::vector<int64_t> lines;
    EXPECT_EQ(read_rows(*table, &lines), c.rows);
    EXPECT_EQ(lines, c.lines);
    Row row;
    EXPECT_FALSE(table->next(row)) << "and stays at the end";
    EXPECT_EQ(read_rows(folder.write(c.file + ".gz", gzip(c.content))), c.rows);
  }
}

const BadCase bad_cases[] = {
    {{"empty", "a.csv", ""}, ": the file is empty"},
    {{"only a mark", "a.csv", "\xef\xbb\xbf"}, ": the file is empty"},
    {{"only blank lines", "a.csv", "\n\r\n\n"}, ": the file is empty"},
    {{"too few columns", "a.csv", "a,b,c\n1,2,3\n1,2\n"}, ":3: 2 columns, expected 3"},
    {{"too many columns", "a.csv", "a,b\n1,2\n1,2,3\n"}, ":3: 3 columns, expected 2"},
    {{"one column", "a.csv", "a,b\n\n1\n"}, ":3: 1 column, expected 2"},
    {{"ragged behind a multi-line field", "a.csv", "a,b\n\"x\n\n\",2\n1\n"}, ":5: 1 column, expected 2"},
    {{"ragged multi-line record", "a.csv", "a,b\n1,2\n\"x\ny\"\n"}, ":3: 1 column, expected 2"},
    {{"ragged TSV", "a.tsv", "a\tb\n1,2\n"}, ":2: 1 column, expected 2"},
    {{"ragged with CRLF", "a.csv", "a,b\r\n1,2\r\n3\r\n"}, ":3: 1 column, expected 2"},
    {{"quote never closed", "a.csv", "a,b\n1,2\n3,\"4\n5,6\n7,8\n"}, ":3: a quote opens here and is never closed"},
    {{"quote never closed in the header", "a.csv", "\"a,b\n1,2\n"}, ":1: a quote opens here and is never closed"},
    {{"quote opened at the very end", "a.csv", "a,b\n1,\""}, ":2: a quote opens here and is never closed"},
    {{"second multi-line field not closed", "a.csv", "a,b\n\"x\ny\",\"z\n"},
     ":3: a quote opens here and is never closed"},
    {{"quote closed by another's opening", "a.csv", "a,b\n1,\"2\n3,\"4\"\n"},
     ":2: a quote opens here and is closed on line 3, where text follows it"},
    {{"text behind a quote", "a.csv", "a,b\n1,\"2\"x\n"}, ":2: text behind a closing quote"},
    {{"blank behind a quote", "a.csv", "a,b\n\"1\" ,2\n"}, ":2: text behind a closing quote"},
    {{"quote in a bare field", "a.csv", "a,b\n1,5\" disk\n"}, ":2: a quote inside a field that is not quoted"},
    {{"quote behind a blank", "a.csv", "a,b\n1, \"2\"\n"}, ":2: a quote inside a field that is not quoted"},
    {{"lone carriage returns", "a.csv", "a,b\r1,2\r3,4\r"},
     ":1: a carriage return without a line feed in a field that is not quoted"},
    {{"lone carriage return at the end", "a.csv", "a,b\n1,2\r"},
     ":2: a carriage return without a line feed in a field that is not quoted"},
    {{"NUL in a bare field", "a.csv", std::string("a,b\n1,2\n1,\0\n", 12)}, ":3: a NUL byte"},
    {{"NUL in quotes", "a.csv", std::string("a,b\n1,\"x\n\0\"\n", 12)}, ":3: a NUL byte"},
    {{"invalid UTF-8", "a.csv", "a,b\n1,2\n1,\xff\n"}, ":3: not UTF-8: byte 0xff"},
    {{"Latin-1", "a.csv", "a,b\n1,caf\xe9\n"}, ":2: not UTF-8: byte 0xe9"},
    {{"invalid in a multi-line field", "a.csv", "a,b\n\"x\ny\nz\xc0\xaf\",2\n"}, ":4: not UTF-8: byte 0xc0"},
    {{"invalid behind a multi-line field", "a.csv", "a,b\n\"x\ny\",\"z\n\x80\"\n"}, ":4: not UTF-8: byte 0x80"},
    {{"surrogate", "a.csv", "a,b\n1,\xed\xa0\x80\n"}, ":2: not UTF-8: byte 0xed"},
    {{"above U+10FFFF", "a.csv", "a,b\n1,\xf4\x90\x80\x80\n"}, ":2: not UTF-8: byte 0xf4"},
    {{"character cut at the end", "a.csv", "a,b\n1,\xe9\x85"}, ":2: not UTF-8: byte 0xe9"},
    {{"character cut by a doubled quote", "a.csv", "a,b\n1,\"\xe9\x85\"\"\"\n"}, ":2: not UTF-8: byte 0xe9"},
    {{"invalid header", "a.csv", "\xfe,b\n"}, ":1: not UTF-8: byte 0xfe"},
    {{"UTF-16", "a.csv",
      std::string("\xff\xfe"
                  "a\0,\0b\0\n\0",
                  10)},
     ":1: the text is UTF-16, expected UTF-8"},
    {{"UTF-16, big end first", "a.csv", std::string("\xfe\xff\0a\0,\0b", 8)}, ":1: the text is UTF-16, expected UTF-8"},
    {{"invalid TSV", "a.tsv", "a\tb\n1\t\xff\n"}, ":2: not UTF-8: byte 0xff"},
    {{"another kind of file", "a.txt", "a,b\n"},
     ": unknown kind of file; its name must end in .csv, .tsv or .jsonl, or one of these with .gz"},
    {{"no kind of file", "csv", "a,b\n"},
     ": unknown kind of file; its name must end in .csv, .tsv or .jsonl, or one of these with .gz"},
    {{"empty JSONL", "a.jsonl", ""}, ": the file is empty"},
    {{"blank JSONL", "a.jsonl", "\n \n"}, ": the file is empty"},
    {{"cut object", "a.jsonl", "{\"a\":1}\n{\"a\":"}, ":2: the JSON object is cut off"},
    {{"cut string", "a.jsonl", "{\"a\":1}\n{\"a\":\"te"}, ":2: the JSON object is cut off"},
    {{"cut in the middle", "a.jsonl", "{\"a\":1}\n{\"a\":2\n{\"a\":3}\n"}, ":2: the JSON object is cut off"},
    {{"cut first line", "a.jsonl", "{\"a"}, ":1: the JSON object is cut off"},
    {{"not JSON", "a.jsonl", "{\"a\":1}\na,b\n"}, ":2: not valid JSON at byte 1"},
    {{"single quotes", "a.jsonl", "{'a':1}\n"}, ":1: not valid JSON at byte 2"},
    {{"comma at the end", "a.jsonl", "{\"a\":1,}\n"}, ":1: not valid JSON at byte 8"},
    {{"two objects", "a.jsonl", "{\"a\":1}{\"a\":2}\n"}, ":1: not valid JSON at byte 8"},
    {{"bad escape", "a.jsonl", "{\"a\":\"\\x\"}\n"}, ":1: not valid JSON at byte 8"},
    {{"half a surrogate", "a.jsonl", "{\"a\":\"\\ud800\"}\n"}, ":1: not valid JSON at byte 13"},
    {{"number too large", "a.jsonl", "{\"a\":1e999}\n"}, ":1: not valid JSON at byte 10"},
    {{"array of objects", "a.jsonl", "[{\"a\":1},\n{\"a\":2}]\n"}, ":1: expected a JSON object"},
    {{"string", "a.jsonl", "{\"a\":1}\n\"a\"\n"}, ":2: expected a JSON object"},
    {{"number", "a.jsonl", "1\n"}, ":1: expected a JSON object"},
    {{"no fields", "a.jsonl", "{}\n"}, ":1: an object without fields"},
    {{"missing field", "a.jsonl", "{\"a\":1,\"b\":2}\n{\"a\":1}\n"}, ":2: no field \"b\""},
    {{"list field", "a.jsonl", "{\"a\":1}\n{\"a\":[1]}\n"},
     ":2: field \"a\" is an array, expected a string or a number"},
    {{"object field", "a.jsonl", "{\"a\":{}}\n"}, ":1: field \"a\" is an object, expected a string or a number"},
    {{"field twice", "a.jsonl", "{\"a\":1,\"a\":2}\n"}, ":1: field \"a\" stands there twice"},
    {{"field twice later", "a.jsonl", "{\"a\":1}\n{\"a\":1,\"a\":2}\n"}, ":2: field \"a\" stands there twice"},
    {{"NUL character", "a.jsonl", "{\"a\":\"x\\u0000\"}\n"}, ":1: field \"a\" holds a NUL character"},
    {{"NUL byte", "a.jsonl", std::string("{\"a\":1}\n\0\n", 10)}, ":2: a NUL byte"},
    {{"invalid JSONL", "a.jsonl", "{\"a\":1}\n{\"a\":\"\xff\"}\n"}, ":2: not UTF-8: byte 0xff"},
};

TEST(Table, RefusesMalformedFilesWithFileAndLine) {
  TempFolder folder;
  for (const BadCase& c : bad_cases) {
    SCOPED_TRACE(c.description);
    EXPECT_EQ(error_of([&] { read_rows(folder.write(c.file, c.content)); }), c.file + c.error);
    const std::string packed = c.file + ".gz";
    EXPECT_EQ(error_of([&] { read_rows(folder.write(packed, gzip(c.content))); }), packed + c.error);
  }
}

TEST(Table, BrokenGzipIsRefused) {
  TempFolder folder;
  std::string packed = gzip("a,b\n1,2\n");
  EXPECT_EQ(error_of([&] { read_rows(folder.write("a.csv.gz", packed.substr(0, 20))); }),
            "a.csv.gz: gzip data ends early, at byte 20");
  packed[packed.size() - 5] ^= 1;
  EXPECT_THAT(error_of([&] { read_rows(folder.write("a.csv.gz", packed)); }),
              ::testing::StartsWith("a.csv.gz: gzip data is broken at byte "));
}

TEST(Table, MissingFilesAndFoldersAreNamed) {
  TempFolder folder;
  EXPECT_EQ(error_of([&] { open_table(folder / "none.csv"); }), "none.csv: no such file");
  std::filesystem::create_directory(folder / "a.csv");
  EXPECT_EQ(error_of([&] { open_table(folder / "a.csv"); }), "a.csv: is a directory, expected a file");
}

TEST(Table, WithoutHeaderColumnsHaveNumbers) {
  TempFolder folder;
  const auto table = open_table(folder.write("a.csv", "x,y\n1,2\n"), {.header = false});
  EXPECT_EQ(table->columns(), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(table->column("1"), 1u);
  EXPECT_EQ(read_rows(*table), (Table{{"x", "y"}, {"1", "2"}}));
  EXPECT_EQ(error_of([&] { read_rows(folder.write("b.csv", "x,y\n1\n"), {.header = false}); }),
            "b.csv:2: 1 column, expected 2");
  EXPECT_EQ(error_of([&] { (void)table->column("2"); }), "a.csv: no column \"2\"; it has \"0\", \"1\"");
}

TEST(Table, NamesOfColumnsStandWithoutSpacesAroundThem) {
  TempFolder folder;
  const auto table = open_table(folder.write("a.csv", "age, ward ,\tsex\n1, 2 ,3\n"));
  EXPECT_EQ(table->columns(), (std::vector<std::string>{"age", "ward", "sex"}));
  Row row;
  ASSERT_TRUE(table->next(row));
  EXPECT_EQ(row.fields[1], " 2 ") << "what a cell holds is the reader's to judge";
}

TEST(Table, TakesAnotherDelimiter) {
  TempFolder folder;
  const std::string path = folder.write("a.csv", "x;y\n1,5;\"a;\"\"b\"\n");
  EXPECT_EQ(read_rows(path, {.delimiter = ';'}), (Table{{"1,5", "a;\"b"}}));
  EXPECT_EQ(read_rows(folder.write("a.tsv", "x,y\n1,2\n"), {.delimiter = ','}), (Table{{"1", "2"}}));
  EXPECT_EQ(error_of([&] { read_rows(folder.write("b.csv", "x;y\na\"b;c\n"), {.delimiter = ';'}); }),
            "b.csv:2: a quote inside a field that is not quoted");
  const auto other = open_table(folder.write("c.csv", "x,y\n1,2\n"), {.delimiter = ';'});
  EXPECT_EQ(error_of([&] { (void)other->column("y"); }),
            "c.csv: no column \"y\"; it has \"x,y\"; its columns seem to be separated by \",\": say so (--delimiter, "
            "TableOptions::delimiter)");
  for (const char bad : {'"', '\n', '\r', 'a', 'Z', '0', '\0', '\x7f', '\xe9'}) {
    EXPECT_FALSE(is_delimiter(bad));
    EXPECT_THROW(open_table(path, {.delimiter = bad}), ValueError);
  }
}

TEST(Table, FindsColumnsByNameThenByPosition) {
  TempFolder folder;
  const auto table = open_table(folder.write("a.csv", "b,1,c,c\n"));
  EXPECT_EQ(table->column("b"), 0u);
  EXPECT_EQ(table->column("1"), 1u);
  EXPECT_EQ(table->column("0"), 0u);
  EXPECT_EQ(table->column("3"), 3u);
  for (const char* wrong : {"x", "4", "-1", "+1", "1 ", "", "B", "99999999999999999999999"}) {
    EXPECT_EQ(error_of([&] { (void)table->column(wrong); }),
              fmt::format("a.csv: no column \"{}\"; it has \"b\", \"1\", \"c\", \"c\"", wrong));
  }
  EXPECT_EQ(error_of([&] { (void)table->column("c"); }),
            "a.csv: two columns are named \"c\"; choose one by its position from 0");
}

TEST(Table, ErrorsStayOneLine) {
  TempFolder folder;
  const auto table = open_table(folder.write("a.csv", "\"x\ny\t\x01\"," + std::string(100, 'z') + "\n"));
  EXPECT_EQ(error_of([&] { (void)table->column("q\nr"); }),
            "a.csv: no column \"q\\nr\"; it has \"x\\ny\\t\\x01\", \"" + std::string(60, 'z') + "...\"");
  std::string header = "c0";
  for (int i = 1; i < 30; ++i) header += ",c" + std::to_string(i);
  const auto wide = open_table(folder.write("b.csv", header + "\n"));
  EXPECT_THAT(error_of([&] { (void)wide->column("x"); }), ::testing::EndsWith("\"c18\", \"c19\" and 10 more"));
}

TEST(Table, SelectsColumnsInAnyOrder) {
  TempFolder folder;
  for (const std::string& path : {folder.write("a.csv", "a,b,c\n1,2,3\n4,5,6\n"),
                                  folder.write("a.jsonl", "{\"a\":1,\"b\":2,\"c\":3}\n{\"c\":6,\"b\":5,\"a\":4}\n")}) {
    const auto table = open_table(path);
    table->select({table->column("c"), table->column("a"), table->column("c")});
    EXPECT_EQ(read_rows(*table), (Table{{"3", "1", "3"}, {"6", "4", "6"}}));
    EXPECT_THAT(error_of<IndexError>([&] { table->select({3}); }),
                ::testing::StartsWith("select: column 3 of 3 (table_test.cpp:"));
  }
}

std::string write_csv(const Table& rows, char delimiter, const std::string& line_end, Random& random) {
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out += delimiter;
      const bool must = row[i].find_first_of(std::string("\"\r\n") + delimiter) != std::string::npos ||
                        (row.size() == 1 && row[i].empty());
      if (!must && random.below(2)) {
        out += row[i];
        continue;
      }
      out += '"';
      for (const char c : row[i]) out += c == '"' ? "\"\"" : std::string(1, c);
      out += '"';
    }
    out += line_end;
  }
  if (random.below(2)) out.resize(out.size() - line_end.size());
  return out;
}

TEST(Table, WhatAWriterWritesIsReadBack) {
  const std::vector<std::string> pieces{"a", "bc", " ", "\"",   "\"\"", "\n", "\r\n", "\r",
                                        ",", "\t", "é", "酒店", "😀",    "\\", "'"};
  TempFolder folder;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    Table rows(2 + random.below(20), std::vector<std::string>(1 + random.below(5)));
    for (auto& row : rows) {
      for (auto& field : row) {
        for (size_t i = random.below(6); i > 0; --i) field += random.pick(pieces);
        // Now and then a field that crosses the ends of the reader's buffer.
        if (random.below(60) == 0) field += std::string(200000 + random.below(200000), 'x') + "\"\n";
      }
    }
    const bool tabs = random.below(2);
    const std::string text = write_csv(rows, tabs ? '\t' : ',', random.below(2) ? "\n" : "\r\n", random);
    const std::string name = tabs ? "a.tsv" : "a.csv";
    const std::string path = random.below(2) ? folder.write(name, text) : folder.write(name + ".gz", gzip(text));
    EXPECT_EQ(read_rows(path, {.header = false}), rows) << "seed " << seed;
  }
}

TEST(Table, AnyBytesGiveRowsOrADataError) {
  const std::vector<std::string> pieces{"a",
                                        "1",
                                        ",",
                                        "\"",
                                        "\n",
                                        "\r\n",
                                        "\r",
                                        "\t",
                                        "é",
                                        "\xff",
                                        "{",
                                        "}",
                                        "\"a\":",
                                        "[",
                                        "]",
                                        std::string(1, '\0'),
                                        "\\",
                                        "null",
                                        "{\"a\":\"b\"}\n"};
  TempFolder folder;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    std::string text;
    for (size_t i = random.below(30); i > 0; --i) text += random.pick(pieces);
    const std::string path = folder.write(random.pick(std::vector<std::string>{"a.csv", "a.tsv", "a.jsonl"}), text);
    try {
      const auto table = open_table(path);
      for (Row row; table->next(row);) ASSERT_EQ(row.fields.size(), table->columns().size());
    } catch (const DataError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(Table, ARecordWithoutEndIsRefusedBeforeMemoryIsFull) {
  TempFolder folder;
  const std::string endless(size_t{70} << 20, 'x');
  EXPECT_EQ(error_of([&] { read_rows(folder.write("a.csv", "a\n1\n\"" + endless)); }),
            "a.csv:3: the record that goes on here is longer than 64 MiB");
  EXPECT_EQ(error_of([&] { read_rows(folder.write("a.csv", "a\n" + endless)); }),
            "a.csv:2: the record that goes on here is longer than 64 MiB");
  EXPECT_EQ(error_of([&] { read_rows(folder.write("a.jsonl", "{\"a\":\"" + endless)); }),
            "a.jsonl:1: the line is longer than 64 MiB");
  std::string fields = "a\n";
  for (const std::string field = '"' + std::string(60, 'x') + "\","; fields.size() < endless.size();) fields += field;
  EXPECT_EQ(error_of([&] { read_rows(folder.write("a.csv", fields)); }),
            "a.csv:2: the record that goes on here is longer than 64 MiB");
}

TEST(Table, ALineThatIsSkippedMayBeOfAnyLength) {
  TempFolder folder;
  const std::string path = folder.write("a.csv", std::string(size_t{70} << 20, '"') + "\nx\na\n1\n");
  EXPECT_EQ(read_rows(path, {.skip_lines = 2}), (Table{{"1"}}));
  EXPECT_EQ(error_of([&] { read_rows(path, {.skip_lines = 4}); }), "a.csv: nothing follows the 4 skipped lines");
}

}  // namespace
}  // namespace fovea::data
