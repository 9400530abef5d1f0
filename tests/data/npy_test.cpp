#include "fovea/data/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/tensor/creation.h"
#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::read_back;
using data::testing::TempFolder;
using ::testing::ElementsAre;

/// A file with this dictionary, as numpy writes it.
std::string npy(std::string dictionary, const std::string& content, char version = 1) {
  std::string out = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) out += static_cast<char>(dictionary.size() >> (8 * i));
  return out + dictionary + content;
}
std::string header(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}
Tensor parse(const std::string& descr, const std::string& shape, const std::string& content) {
  return parse_npy(npy(header(descr, shape), content), "a.npy");
}

TEST(Npy, ReadsEveryTypeOfElements) {
  EXPECT_THAT(parse("<f4", "(1,)", std::string("\0\0\xc0\x3f", 4)).to_vector<float>(), ElementsAre(1.5f));
  EXPECT_THAT(parse(">f4", "(1,)", std::string("\x3f\xc0\0\0", 4)).to_vector<float>(), ElementsAre(1.5f));
  EXPECT_THAT(parse("<f8", "()", std::string("\0\0\0\0\0\0\4\xc0", 8)).to_vector<double>(), ElementsAre(-2.5));
  EXPECT_THAT(parse("|i1", "(2,)", "\x07\xff").to_vector<int32_t>(), ElementsAre(7, -1));
  EXPECT_THAT(parse("|u1", "(2,)", "\x07\xff").to_vector<int32_t>(), ElementsAre(7, 255));
  EXPECT_THAT(parse("<i2", "(1,)", "\xfe\xff").to_vector<int32_t>(), ElementsAre(-2));
  EXPECT_THAT(parse("<u2", "(1,)", "\xfe\xff").to_vector<int32_t>(), ElementsAre(65534));
  EXPECT_THAT(parse("<i8", "(1,)", std::string(8, '\xff')).to_vector<int32_t>(), ElementsAre(-1));
  const Tensor flags = parse("|b1", "(3,)", std::string("\1\0\1", 3));
  EXPECT_EQ(flags.dtype(), boolean);
  EXPECT_THAT(flags.to_vector<int32_t>(), ElementsAre(1, 0, 1));
  EXPECT_EQ(parse("<f4", "(0, 3)", "").shape(), (Shape{0, 3}));
}

TEST(Npy, ReadsColumnsFirst) {
  const Tensor x = parse_npy(npy(header("|u1", "(2, 3)", "True"), "\1\4\2\5\3\6", 2), "a.npy");
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
  EXPECT_THAT(x.to_vector<int32_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(Npy, ComesBackAsItWasWritten) {
  const TempFolder folder;
  const std::string path = folder / "a.npy";
  for (const DType dtype : {f32, f64, i32, boolean}) {
    const Tensor x = tensor({0, 1, 1, 0, 1, 0}).reshape({2, 1, 3}).to(dtype);
    save_npy(path, x);
    EXPECT_EQ((read_back(path).find('\n') + 1) % 64, 0u);
    const Tensor back = load_npy(path);
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(back.shape(), x.shape());
    EXPECT_EQ(back.to_vector<double>(), x.to_vector<double>());
  }
  EXPECT_THROW(save_npy(path, tensor({1}).to(f16)), DTypeError);
}

TEST(Npy, NamesFileAndByteOfWhatIsWrong) {
  const struct {
    std::string content;
    const char* error;
  } cases[] = {
      {"", "a.npy: byte 0: not a npy file, which begins with \"\\x93NUMPY\": this one is empty"},
      {"\x93NUMPZ",
       "a.npy: byte 0: not a npy file, which begins with \"\\x93NUMPY\": this one begins with \"\\x93NUMPZ\""},
      {"\x93NUMPY", "a.npy: byte 6: the file ends early, within its header"},
      {npy(header("<f4", "(1,)"), "abcd", 9), "a.npy: byte 6: version 9; 1 to 3 can be read"},
      {npy(header("<f4", "(1,)"), "").substr(0, 30), "a.npy: byte 30: the file ends early, within its header"},
      {npy("[]", ""), "a.npy: byte 10: the header is broken: { is missing"},
      {npy("{'descr' '<f4'}", ""), "a.npy: byte 19: the header is broken: : is missing"},
      {npy("{'descr': <f4}", ""), "a.npy: byte 20: the header is broken: a string is missing"},
      {npy("{'shape': (1, 'a')}", ""), "a.npy: byte 24: the header is broken: a size is missing"},
      {npy("{'shape': (-1,)}", ""), "a.npy: byte 21: the header is broken: a size is missing"},
      {npy("{'shape': (1 2)}", ""), "a.npy: byte 23: the header is broken: ) is missing"},
      {npy("{'shape': (1,1,1,1,1,1,1,1,1)}", ""), "a.npy: byte 38: the header is broken: more than 8 axes"},
      {npy("{'fortran_order': 1}", ""), "a.npy: byte 28: the header is broken: neither True nor False"},
      {npy("{'other': 1}", ""), "a.npy: byte 19: the header is broken: a key that npy has not"},
      {npy("{'descr': '<f4'}", ""),
       "a.npy: byte 26: the header is broken: not the three keys descr, fortran_order and shape"},
      {npy(header("<c8", "(1,)"), "abcdefgh"), "a.npy: elements of the type \"<c8\"; numbers and bool can be read"},
      {npy(header("|O", "(1,)"), "abcdefgh"), "a.npy: elements of the type \"|O\"; numbers and bool can be read"},
      {npy(header("<f8", "(99999999999,)"), ""), "a.npy: the array would take more than 8589934592 bytes"},
      {npy(header("<f4", "(0, 4611686018427387904, 8)"), ""), "a.npy: the array would take more than 8589934592 bytes"},
      {npy(header("|u1", "(3,)"), "ab"), "a.npy: byte 70: the file ends early, within its elements"},
      {npy(header("|u1", "(1,)"), "ab"), "a.npy: byte 69: 1 bytes follow the last element"},
      {npy(header("<u4", "(1,)"), "\xff\xff\xff\xff"), "a.npy: byte 68: 4294967295 does not fit i32"},
  };
  for (const auto& each : cases) EXPECT_EQ(error_of([&] { parse_npy(each.content, "a.npy"); }), each.error);
}

}  // namespace
}  // namespace fovea::data
