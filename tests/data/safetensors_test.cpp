#include "fovea/data/safetensors.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "data/temp_folder.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::Random;
using testing::read_back;
using testing::TempFolder;
using Tensors = std::map<std::string, Tensor>;

std::string file_of(std::string_view header, std::string_view data = "") {
  const uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out.append(header).append(data);
}

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape, uint64_t begin, uint64_t end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype, shape, begin, end);
}

void expect_same(const Tensor& got, const Tensor& want) {
  ASSERT_EQ(got.shape(), want.shape());
  ASSERT_EQ(got.dtype(), want.dtype());
  EXPECT_EQ(got.to_vector<double>(), want.to_vector<double>());
}

Tensor half_like(DType dtype, const std::vector<float>& values) {
  return from_vector(values, {static_cast<int64_t>(values.size())}).to(dtype);
}

TEST(Safetensors, EveryDtypeAndShapeComesBack) {
  TempFolder folder;
  const Tensors tensors{{"f32", from_vector(std::vector<float>{1.5f, -2.0f, 3e38f, -0.0f, 1e-40f, 7.0f}, {2, 3})},
                        {"f64", from_vector(std::vector<double>{0.1, 1e300}, {2})},
                        {"f16", half_like(f16, {1.0f, 65504.0f, -0.25f})},
                        {"bf16", half_like(bf16, {1.0f, 1e30f, -0.25f})},
                        {"i32", from_vector(std::vector<int32_t>{INT32_MIN, -1, INT32_MAX}, {3, 1})},
                        {"bool", from_vector(std::vector<bool>{true, false, true}, {3})},
                        {"scalar", scalar(42)},
                        {"empty", zeros({0})},
                        {"empty.2", zeros({3, 0, 2}, {.dtype = f64})},
                        {"Ä/\"name\"\n", ones({1, 1, 1, 1, 1, 1, 1, 1})}};
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"é", "line\nbreak \"quoted\""}};
  save_safetensors(folder / "a.safetensors", tensors, metadata);
  const Tensors loaded = load_safetensors(folder / "a.safetensors");
  ASSERT_EQ(loaded.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    SCOPED_TRACE(name);
    expect_same(loaded.at(name), tensor);
  }
  const SafetensorsFile file(folder / "a.safetensors");
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_TRUE(file.contains("f32"));
  EXPECT_FALSE(file.contains("f"));
  EXPECT_EQ(file.tensors().at("bf16").dtype, "BF16");
  EXPECT_EQ(file.tensors().at("f32").shape, (Shape{2, 3}));
}

TEST(Safetensors, TheSameTensorsGiveTheSameBytes) {
  TempFolder folder;
  const Tensors tensors{{"b", ones({3})}, {"a", zeros({2}, {.dtype = f64})}, {"c", ones({5}, {.dtype = boolean})}};
  save_safetensors(folder / "1", tensors, {{"k", "v"}});
  save_safetensors(folder / "2", load_safetensors(folder / "1"), {{"k", "v"}});
  EXPECT_EQ(read_back(folder / "1"), read_back(folder / "2"));
}

TEST(Safetensors, WritesTheFormat) {
  TempFolder folder;
  save_safetensors(folder / "a",
                   {{"y", ones({1}, {.dtype = boolean})}, {"x", ones({2})}, {"z", ones({1}, {.dtype = f64})}},
                   {{"k", "v"}});
  std::string header = R"({"__metadata__":{"k":"v"},"z":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
                       R"("x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
                       R"("y":{"dtype":"BOOL","shape":[1],"data_offsets":[16,17]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(read_back(folder / "a"),
            file_of(header, std::string("\0\0\0\0\0\0\xf0\x3f\0\0\x80\x3f\0\0\x80\x3f\1", 17)));
}

TEST(Safetensors, WritesOtherDtypesAsTheyAre) {
  const TempFolder folder;
  const std::vector<int8_t> values{-128, 0, 127};
  const std::map<std::string, StoredTensor> stored{{"a", {"I8", {3, 1}, std::as_bytes(std::span(values))}}};
  save_safetensors(folder / "a", {{"b", ones({2})}}, {{"k", "v"}}, stored);
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.tensors().at("a").dtype, "I8");
  EXPECT_EQ(file.tensors().at("a").shape, (Shape{3, 1}));
  EXPECT_EQ(file.tensors().at("a").begin, 8u) << "before what needs to be aligned";
  EXPECT_EQ(std::memcmp(file.bytes("a").data(), values.data(), 3), 0);
  EXPECT_EQ(file.tensor("b").to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(file.metadata().at("k"), "v");
  EXPECT_THROW(file.tensor("a"), DataError);
}

TEST(Safetensors, AnEmptySetIsAFile) {
  TempFolder folder;
  save_safetensors(folder / "a", {});
  EXPECT_TRUE(load_safetensors(folder / "a").empty());
  EXPECT_EQ(read_back(folder / "a"), file_of("{}      "));
}

TEST(Safetensors, WritesViewsAsTheyLook) {
  TempFolder folder;
  const Tensor base = arange(0, 12).reshape({3, 4});
  const Tensors views{{"transposed", base.transpose(0, 1)},
                      {"slice", base.slice(1, 1, 3)},
                      {"row", base.select(0, 2)},
                      {"expanded", base.slice(0, 0, 1).expand({5, 4})}};
  save_safetensors(folder / "a", views);
  for (const auto& [name, tensor] : load_safetensors(folder / "a")) {
    SCOPED_TRACE(name);
    expect_same(tensor, views.at(name));
  }
}

TEST(Safetensors, ReadsWhatOthersWrite) {
  TempFolder folder;
  // Offsets in no order, tensors that are not aligned, other dtypes beside, no padding.
  const std::string header = "{" + entry("b", "F32", "[1]", 3, 7) + "," + entry("a", "BOOL", "[3]", 0, 3) + "," +
                             entry("c", "U8", "[2]", 7, 9) + "," + entry("e", "F32", "[0]", 9, 9) + "}  \n ";
  const SafetensorsFile file(folder.write("a", file_of(header, std::string("\1\0\1\0\0\x80\x3f\7\7", 9))));
  EXPECT_EQ(file.tensor("a").to_vector<bool>(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(file.tensor("b").item<float>(), 1.0f);
  EXPECT_EQ(file.tensor("e").numel(), 0);
  EXPECT_EQ(error_of([&] { file.tensor("c"); }),
            "a: tensor \"c\" has the dtype U8; F32, F64, F16, BF16, I32, I64 and BOOL are supported");
  EXPECT_EQ(error_of([&] { file.tensor("d"); }), "a: no tensor \"d\"");
}

TEST(Safetensors, NarrowsI64WhereItFits) {
  TempFolder folder;
  const auto with = [&](std::vector<int64_t> values) {
    const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * 8);
    const std::string header = "{" + entry("n", "I64", fmt::format("[{}]", values.size()), 0, bytes.size()) + "}";
    return SafetensorsFile(folder.write("a", file_of(header, bytes))).tensor("n");
  };
  EXPECT_EQ(with({INT32_MIN, 0, INT32_MAX}).to_vector<int32_t>(), (std::vector<int32_t>{INT32_MIN, 0, INT32_MAX}));
  EXPECT_EQ(with({1}).dtype(), i32);
  EXPECT_EQ(error_of([&] {
              with({0, int64_t{INT32_MAX} + 1});
            }),
            "a: tensor \"n\" holds 2147483648, which does not fit i32");
  EXPECT_EQ(error_of([&] { with({INT64_MIN}); }), "a: tensor \"n\" holds -9223372036854775808, which does not fit i32");
}

TEST(Safetensors, RefusesABoolThatIsNone) {
  TempFolder folder;
  const SafetensorsFile file(folder.write("a", file_of("{" + entry("b", "BOOL", "[2]", 0, 2) + "}", "\1\2")));
  EXPECT_EQ(error_of([&] { file.tensor("b"); }), "a: tensor \"b\" is BOOL, but holds a byte other than 0 and 1");
}

struct Hostile {
  std::string content;
  const char* error;
};

TEST(Safetensors, RefusesHostileFiles) {
  const std::string huge = "18446744073709551615", two63 = "9223372036854775808", two62 = "4611686018427387904";
  const auto one = [](std::string_view body, size_t data = 0) {
    return file_of("{\"x\":" + std::string(body) + "}", std::string(data, '\0'));
  };
  const Hostile cases[] = {
      {"", "not a safetensors file: it has only 0 bytes"},
      {"1234567", "not a safetensors file: it has only 7 bytes"},
      {"PK\x03\x04 of torch.save",
       "not a safetensors file: it begins as torch.save's do; safetensors.torch.save_file writes such"},
      {std::string(8, '\0'), "not a safetensors file: the header does not begin with {"},
      {std::string("\x09\0\0\0\0\0\0\0{}      ", 16), "not a safetensors file: a header of 9 bytes in a file of 16"},
      {std::string(8, '\xff') + "{}", "not a safetensors file: a header of 18446744073709551615 bytes in a file of 10"},
      {std::string("\xf8\xff\xff\xff\xff\xff\xff\x7f{}", 10),
       "not a safetensors file: a header of 9223372036854775800 bytes in a file of 10"},
      {file_of(" {}"), "not a safetensors file: the header does not begin with {"},
      {file_of("[]"), "not a safetensors file: the header does not begin with {"},
      {file_of("{"), "the header is not valid JSON at byte 10"},
      {file_of("{}{}"), "the header is not valid JSON at byte 11"},
      {file_of(std::string("{\"a\xff\":1}")), "the header is not valid JSON at byte 12"},
      {file_of(std::string("{}\0", 3)), "the header is not valid JSON at byte 11"},
      {file_of("{\"x\":" + std::string(100000, '[')), "the header is nested too deeply"},
      {file_of("{\"x\":" + std::string(100000, '{')), "the header is not valid JSON at byte 15"},
      {file_of("{" + entry("x", "F32", "[0]", 0, 0) + "," + entry("x", "F32", "[0]", 0, 0) + "}"),
       "the header has \"x\" twice"},
      {one(R"({"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]})"), "the header has \"dtype\" twice"},
      {file_of(R"({"__metadata__":{"a":"1","a":"2"}})"), "the header has \"a\" twice"},
      {file_of(R"({"__metadata__":[]})"), "the metadata is not an object"},
      {file_of(R"({"__metadata__":{"a":1}})"), "the metadata's \"a\" is not a string"},
      {one("1"), "tensor \"x\" is not an object"},
      {one("{}"), "tensor \"x\" has no dtype"},
      {one(R"({"dtype":"F32","data_offsets":[0,0]})"), "tensor \"x\" has no shape"},
      {one(R"({"dtype":"F32","shape":[0]})"), "tensor \"x\" has no data_offsets"},
      {one(R"({"dtype":1,"shape":[0],"data_offsets":[0,0]})"), "tensor \"x\" has a dtype that is not a string"},
      {one(R"({"dtype":"F33","shape":[0],"data_offsets":[0,0]})"), "tensor \"x\" has the unknown dtype \"F33\""},
      {one(R"({"dtype":"F32","shape":[0],"data_offsets":[0,0],"y":1})"), "tensor \"x\" has an unknown key \"y\""},
      {one(R"({"dtype":"F32","shape":3,"data_offsets":[0,0]})"), "tensor \"x\" has a shape that is not a list"},
      {one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,0]})"),
       "tensor \"x\" has a shape that is not a list of whole numbers"},
      {one(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", 4),
       "tensor \"x\" has a shape that is not a list of whole numbers"},
      {one(R"({"dtype":"F32","shape":["1"],"data_offsets":[0,4]})", 4),
       "tensor \"x\" has a shape that is not a list of whole numbers"},
      {one(R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,0]})"),
       "tensor \"x\" has a shape that is not a list of whole numbers"},
      {one(R"({"dtype":"F32","shape":[[1]],"data_offsets":[0,4]})", 4), "the header is nested too deeply"},
      {one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]})", 4),
       "tensor \"x\" has 9 axes, at most 8 are supported"},
      {one(R"({"dtype":"F32","shape":[)" + huge + R"(],"data_offsets":[0,0]})"),
       "tensor \"x\" has a size that overflows"},
      {one(R"({"dtype":"F32","shape":[)" + two62 + R"(],"data_offsets":[0,0]})"),
       "tensor \"x\" has a size that overflows"},
      {one(R"({"dtype":"BOOL","shape":[)" + two63 + R"(],"data_offsets":[0,0]})"),
       "tensor \"x\" has a size that overflows"},
      {one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})"),
       "tensor \"x\" has a size that overflows"},
      {one(R"({"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]})"),
       "tensor \"x\" has a size that overflows"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", 4),
       "tensor \"x\" has data_offsets that are not two numbers"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})", 4),
       "tensor \"x\" has data_offsets that are not two numbers"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", 4), "tensor \"x\" ends before it begins"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 4),
       "tensor \"x\" ends at byte 8 of the data, which has 4"},
      {one(R"({"dtype":"F32","shape":[0],"data_offsets":[)" + huge + "," + huge + "]}"),
       "tensor \"x\" ends at byte 18446744073709551615 of the data, which has 0"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})", 4),
       "tensor \"x\" has a data_offsets that is not a list of whole numbers"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})", 8),
       "tensor \"x\" has 8 bytes, but F32 of shape [1] takes 4"},
      {one(R"({"dtype":"F64","shape":[],"data_offsets":[0,4]})", 4),
       "tensor \"x\" has 4 bytes, but F64 of shape [] takes 8"},
      {file_of("{" + entry("x", "F32", "[2]", 0, 8) + "," + entry("y", "F32", "[2]", 4, 12) + "}",
               std::string(12, '\0')),
       "tensor \"y\" overlaps the one before it"},
      {file_of("{" + entry("x", "F32", "[2]", 0, 8) + "," + entry("y", "F32", "[2]", 0, 8) + "}", std::string(8, '\0')),
       "tensor \"y\" overlaps the one before it"},
      {file_of("{" + entry("x", "F32", "[1]", 0, 4) + "," + entry("y", "F32", "[1]", 8, 12) + "}",
               std::string(12, '\0')),
       "bytes 4 to 8 of the data belong to no tensor"},
      {file_of("{" + entry("x", "F32", "[1]", 4, 8) + "}", std::string(8, '\0')),
       "bytes 0 to 4 of the data belong to no tensor"},
      {file_of("{" + entry("x", "F32", "[1]", 0, 4) + "}", std::string(5, '\0')),
       "bytes 4 to 5 of the data belong to no tensor"},
      {file_of("{}", "x"), "bytes 0 to 1 of the data belong to no tensor"},
  };
  TempFolder folder;
  for (const Hostile& c : cases) {
    EXPECT_EQ(error_of([&] { load_safetensors(folder.write("a", c.content)); }), std::string("a: ") + c.error);
  }
  EXPECT_EQ(error_of([&] { load_safetensors(folder / "none"); }), "none: no such file");
  EXPECT_EQ(error_of([&] { load_safetensors(folder / "."); }), ".: is a directory, expected a file");
}

TEST(Safetensors, DamagedFilesGiveTensorsOrADataError) {
  TempFolder folder;
  save_safetensors(folder / "a", {{"x", ones({2, 2})}, {"flags", ones({3}, {.dtype = boolean})}}, {{"k", "v"}});
  const std::string whole = read_back(folder / "a");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(load_safetensors(folder.write("cut", whole.substr(0, size))), DataError) << size;
  }
  Random random(9);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    for (size_t i = 1 + random.below(3); i > 0; --i)
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    try {
      load_safetensors(folder.write("a", damaged));
    } catch (const DataError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(Safetensors, RefusesToWriteWhatNoFileMayHold) {
  TempFolder folder;
  EXPECT_THROW(save_safetensors(folder / "a", {{"\xff", ones({1})}}), ValueError);
  EXPECT_THROW(save_safetensors(folder / "a", {{"__metadata__", ones({1})}}), ValueError);
  EXPECT_THROW(save_safetensors(folder / "a", {}, {{"k", "\xff"}}), ValueError);
  EXPECT_EQ(error_of([&] {
              save_safetensors(folder / "none/a", {{"x", ones({1})}});
            }),
            "none/a: cannot write: No such file or directory");
  EXPECT_TRUE(folder.names().empty());
}

// Files that another program wrote: FOVEA_REFERENCE names a folder of conformance cases.
TEST(Safetensors, ReadsTheReferenceFiles) {
  const char* reference = std::getenv("FOVEA_REFERENCE");
  if (!reference) GTEST_SKIP() << "FOVEA_REFERENCE is not set to the folder of the conformance cases";
  TempFolder folder;
  int files = 0;
  for (const auto& item : std::filesystem::directory_iterator(reference)) {
    if (item.path().extension() != ".safetensors") continue;
    SCOPED_TRACE(item.path());
    const Tensors tensors = load_safetensors(item.path());
    EXPECT_FALSE(tensors.empty());
    EXPECT_TRUE(SafetensorsFile(item.path()).metadata().contains("cases"));
    save_safetensors(folder / "copy", tensors);
    for (const auto& [name, tensor] : load_safetensors(folder / "copy")) {
      ASSERT_EQ(tensor.shape(), tensors.at(name).shape());
      ASSERT_EQ(tensor.dtype(), tensors.at(name).dtype());
      const View &a = tensor.view(), &b = tensors.at(name).view();
      ASSERT_EQ(
          std::memcmp(a.data<std::byte>(), b.data<std::byte>(), static_cast<size_t>(a.numel()) * size_of(a.dtype)), 0);
    }
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace fovea::data
