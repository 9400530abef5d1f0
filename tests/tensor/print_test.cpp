#include <cmath>
#include <sstream>

#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/layouts.h"

namespace fovea {
namespace {

TEST(Print, ShowsVectorsAlignedWithTypeAndShape) {
  EXPECT_EQ(to_string(tensor({1, 2.5, -3})), "[ 1.0000,  2.5000, -3.0000]\nf32 [3]");
  EXPECT_EQ(to_string(tensor({1, 20, -300}, {i32})), "[   1,   20, -300]\ni32 [3]");
  EXPECT_EQ(to_string(tensor({1, 0}, {boolean})), "[ true, false]\nbool [2]");
  EXPECT_EQ(to_string(tensor({1, 0.5}, {bf16})), "[1.0000, 0.5000]\nbf16 [2]");
}

TEST(Print, ShowsRowsBelowEachOther) {
  EXPECT_EQ(to_string(arange(0, 6, 1, {i32}).reshape({2, 3})), "[[0, 1, 2],\n [3, 4, 5]]\ni32 [2, 3]");
  EXPECT_EQ(to_string(arange(0, 4, 1, {i32}).reshape({2, 1, 2})), "[[[0, 1]],\n [[2, 3]]]\ni32 [2, 1, 2]");
  EXPECT_EQ(to_string(arange(0, 6, 1, {i32}).reshape({2, 3}).mT()), "[[0, 3],\n [1, 4],\n [2, 5]]\ni32 [3, 2]");
}

TEST(Print, ShowsScalarsAndEmptyTensors) {
  EXPECT_EQ(to_string(scalar(3)), "3.0000\nf32 []");
  EXPECT_EQ(to_string(zeros({0})), "[]\nf32 [0]");
  EXPECT_EQ(to_string(zeros({2, 0})), "[[],\n []]\nf32 [2, 0]");
  EXPECT_EQ(to_string(zeros({0, 2})), "[]\nf32 [0, 2]");
  EXPECT_EQ(to_string(Tensor()), "undefined tensor");
}

TEST(Print, SwitchesToPowersOfTen) {
  EXPECT_EQ(to_string(tensor({1e-5, 1})), "[1.0000e-05, 1.0000e+00]\nf32 [2]");
  EXPECT_EQ(to_string(tensor({0, 2.5e6}, {f64})), "[0.0000e+00, 2.5000e+06]\nf64 [2]");
  EXPECT_EQ(to_string(tensor({0, 0.0001}, {f64})), "[0.0000, 0.0001]\nf64 [2]");
  EXPECT_EQ(to_string(tensor({1e6})), "[1.0000e+06]\nf32 [1]");
  EXPECT_EQ(to_string(tensor({999999})), "[999999.0000]\nf32 [1]");
}

TEST(Print, ShowsWhatIsNoNumber) {
  EXPECT_EQ(to_string(tensor({-NAN})), "[nan]\nf32 [1]");
  EXPECT_EQ(to_string(tensor({NAN, INFINITY, -INFINITY, 1})), "[   nan,    inf,   -inf, 1.0000]\nf32 [4]");
}

TEST(Print, LeavesOutTheMiddleOfLargeTensors) {
  EXPECT_EQ(to_string(arange(0, 2000, 1, {i32})), "[   0,    1,    2, ..., 1997, 1998, 1999]\ni32 [2000]");
  EXPECT_EQ(to_string(arange(0, 1000, 1, {i32}).reshape({500, 2}).slice(0, 0, 7)).find("..."), std::string::npos);
  EXPECT_EQ(to_string(arange(0, 1000, 1, {i32})).find("..."), std::string::npos);
  EXPECT_NE(to_string(arange(0, 1001, 1, {i32})).find("..."), std::string::npos);
  EXPECT_EQ(to_string(arange(0, 1010, 1, {i32}).reshape({505, 2})),
            "[[   0,    1],\n [   2,    3],\n [   4,    5],\n ...,\n [1004, 1005],\n [1006, 1007],\n [1008, 1009]]\n"
            "i32 [505, 2]");
}

TEST(Print, WorksInStreamsAndFormats) {
  std::ostringstream stream;
  stream << scalar(1, {i32});
  EXPECT_EQ(stream.str(), "1\ni32 []");
  stream.str("");
  stream << zeros({2, 3}).shape() << ' ' << bf16 << ' ' << Device::vulkan(1);
  EXPECT_EQ(stream.str(), "[2, 3] bf16 vulkan:1");
  EXPECT_EQ(fmt::format("<{}>", scalar(1, {i32})), "<1\ni32 []>");
}

using test::OnEveryDevice;

TEST_P(OnEveryDevice, PrintsFromAnyLayout) {
  const std::string where = device() == Device::cpu() ? "" : " on " + to_string(device());
  for (const auto& [name, x] : test::layouts_of(arange(0, 4, 1, options(i32)).reshape({2, 2}))) {
    EXPECT_EQ(to_string(x), "[[0, 1],\n [2, 3]]\ni32 [2, 2]" + where) << name;
  }
}

}  // namespace
}  // namespace fovea
