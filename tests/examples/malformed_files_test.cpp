// Files of examples in every format that are broken in every way that comes to mind: one line that names the file and the
// line or the byte, exit status 2, nothing written.
#include "malformed_files.h"

#include "data/tar_writer.h"
#include "fovea/data/npy.h"
#include "fovea/tensor/creation.h"
#include "media_classifiers.h"
#include "tables.h"
#include "text_classifier.h"

namespace fovea::test {
namespace {

using data::testing::gzip;
using data::testing::tar_end;
using data::testing::tar_entry;

TEST_F(MalformedFiles, Csv) {
  const std::string head = "label,text\na,one\n";
  expect_refused(
      TEXT_CLASSIFIER, train(),
      {
          {"t.csv", "", ": the file is empty"},
          {"t.csv", "\n\r\n", ": the file is empty"},
          {"t.csv", "label,text\n", ": no rows below the header"},
          {"t.csv", head + "b\n", ":3: 1 column, expected 2"},
          {"t.csv", head + "b,two,\n", ":3: 3 columns, expected 2"},
          {"t.csv", head + "\n\nb\n", ":5: 1 column, expected 2"},
          {"t.csv", head + "b,\"two\n\nlines\",\n", ":3: 3 columns, expected 2"},
          {"t.csv", head + "b,\"two\nc,three\n", ":3: a quote opens here and is never closed"},
          {"t.csv", head + "b,t\"wo\n", ":3: a quote inside a field that is not quoted"},
          {"t.csv", head + "b,\"two\"x\n", ":3: text behind a closing quote"},
          {"t.csv", head + "b,\"t\nwo\"x\n", ":3: a quote opens here and is closed on line 4, where text follows it"},
          {"t.csv", head + "b,t\rwo\n", ":3: a carriage return without a line feed in a field that is not quoted"},
          {"t.csv", head + "b,caf\xe9\n", ":3: not UTF-8"},
          {"t.csv", head + "b,\"x\ncaf\xe9\"\n", ":4: not UTF-8"},
          {"t.csv", head + std::string("b,t\0o\n", 6), ":3: a NUL byte"},
          {"t.csv", head + ",two\n", ":3: the label is empty"},
          {"t.csv", "\xff\xfel\0a\0", ":1: the text is UTF-16, expected UTF-8"},
          {"t.csv", "text\none\n", ": no column is left for the label; it has only \"text\""},
      });
  expect_refused(TABULAR_CLASSIFIER, train({"--numeric", "x"}),
                 {
                     {"t.csv", "x,class\n1,a\n1e,b\n", ":3: column \"x\": \"1e\" is not a number"},
                     {"t.csv", "x,class\n1,a\n0x10,b\n", ":3: column \"x\": \"0x10\" is not a number"},
                     {"t.csv", "x,class\n1,a\n2,\n", ":3: the label is empty"},
                     {"t.csv", "class\na\nb\n", ": no column is left to learn from; it has only \"class\""},
                 });
}

TEST_F(MalformedFiles, Tsv) {
  expect_refused(TEXT_CLASSIFIER, train(),
                 {
                     {"t.tsv", "label\ttext\na\tone\nb\n", ":3: 1 column, expected 2"},
                     {"t.tsv", "label\ttext\na\tone\nb\ttwo\tthree\n", ":3: 3 columns, expected 2"},
                     {"t.tsv", "label\ttext\na\t\"one\nb\ttwo\n", ":2: a quote opens here and is never closed"},
                     {"t.tab", "label\ttext\na\tone\nb\tcaf\xe9\n", ":3: not UTF-8"},
                 });
}

TEST_F(MalformedFiles, JsonLines) {
  const std::string good = "{\"label\":\"a\",\"text\":\"one\"}\n";
  expect_refused(TEXT_CLASSIFIER, train(),
                 {
                     {"t.jsonl", "", ": the file is empty"},
                     {"t.jsonl", good + "{\"label\":\"b\",\"te", ":2: the JSON object is cut off"},
                     {"t.jsonl", good + "{\"label\":b}\n", ":2: not valid JSON at byte 10"},
                     {"t.jsonl", good + "[1, 2]\n", ":2: expected a JSON object"},
                     {"t.jsonl", good + "\n17\n", ":3: expected a JSON object"},
                     {"t.jsonl", good + "{\"label\":\"b\"}\n", ":2: no field \"text\""},
                     {"t.jsonl", good + "{\"label\":\"b\",\"text\":[]}\n", ":2: field \"text\" is an array"},
                     {"t.jsonl", good + "{\"label\":\"b\",\"text\":{}}\n", ":2: field \"text\" is an object"},
                     {"t.jsonl", good + "{\"label\":\"b\",\"label\":\"c\",\"text\":\"x\"}\n", ":2: "},
                     {"t.jsonl", good + "{\"label\":\"b\",\"text\":\"caf\xe9\"}\n", ":2: not UTF-8"},
                     {"t.jsonl", good + "{\"label\":\"b\",\"text\":\"a\\u0000\"}\n", ":2: field \"text\" holds a NUL"},
                     {"t.jsonl", good + "{\"label\":\"b\",\"text\":\"\\ud800\"}\n", ":2: not valid JSON"},
                     {"t.jsonl", good + good + "{\"label\":null,\"text\":\"x\"}\n", ":3: the label is empty"},
                     {"t.ndjson", good + "{\"label\":\"b\",\"text\":\"x\"} {}\n", ":2: "},
                 });
}

TEST_F(MalformedFiles, Gzip) {
  const std::string whole = gzip(reviews(200));
  expect_refused(
      TEXT_CLASSIFIER, train(),
      {
          {"t.csv.gz", "", ": the file is empty"},
          {"t.csv.gz", first_half(whole), ": gzip data ends early, at byte " + std::to_string(whole.size() / 2)},
          {"t.csv.gz", whole.substr(0, 5), ": gzip data ends early, at byte 5"},
          {"t.csv.gz", overwritten(whole, whole.size() - 6, "?"), ": gzip data is broken at byte "},
          {"t.csv.gz", overwritten(whole, 3, "\xff"), ": gzip data is broken at byte "},
          {"t.csv.gz", whole + "garbage",
           ": bytes that are not gzip data follow it, from byte " + std::to_string(whole.size())},
          {"t.tsv.gz", gzip("label\ttext\na\n"), ":2: 1 column, expected 2"},
          {"t.jsonl.gz", gzip("{\"label\":\n"), ":1: the JSON object is cut off"},
      });
}

TEST_F(MalformedFiles, Idx) {
  const std::string shape = bytes({0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2}),
                    good = bytes({0, 0, 8, 3}) + shape + "abcdefgh",
                    good_labels = bytes({0, 0, 8, 1, 0, 0, 0, 2, 0, 1});
  folder.write("labels.idx", good_labels);
  expect_refused(
      IMAGE_CLASSIFIER, train(),
      {
          {"images.idx", "", ": byte 0: the file ends early, within its header"},
          {"images.idx", "PK" + good.substr(2),
           ": byte 0: not an IDX file, which begins with \"\\x00\\x00\": this one begins with \"PK\\x"},
          {"images.idx", overwritten(good, 2, "\x07"), ": byte 2: 0x07 is no type of elements"},
          {"images.idx", overwritten(good, 3, bytes({0})), ": byte 3: an array of 0 axes"},
          {"images.idx", good.substr(0, 10), ": byte 10: the file ends early, within its header"},
          {"images.idx", overwritten(good, 4, bytes({0, 0, 0, 0})), ": byte 4: the array is empty"},
          {"images.idx", overwritten(good, 4, bytes({255, 255, 255, 255, 255, 255, 255, 255})),
           ": byte 8: the array would take more than "},
          {"images.idx", overwritten(good, 4, bytes({127, 0, 0, 0})), ": byte 24: the file ends early; "},
          {"images.idx", good.substr(0, 20), ": byte 20: the file ends early; 4 bytes of elements are missing"},
          {"images.idx", good + "i", ": byte 24: 1 bytes follow the last element"},
          {"images.idx", good_labels, ": an IDX file of images has bytes along 3 axes; this one has 1 axes"},
          {"pictures.idx", good, ": a file of images has \"images\" in its name"},
          {"images.idx.gz", gzip(good).substr(0, 30), ": gzip data ends early, at byte 30"},
      });
  folder.write("images.idx", good);
  for (const auto& [content, error] : std::vector<std::pair<std::string, std::string>>{
           {good_labels.substr(0, 9), ": byte 9: the file ends early; 1 bytes of elements are missing"},
           {bytes({0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2}), ": 3 labels for the 2 images of "},
           {good, ": labels stand along one axis; this file has 3"},
           {bytes({0, 0, 13, 1, 0, 0, 0, 1, 63, 128, 0, 0}), ": labels are whole numbers"},
       }) {
    const std::string labels = folder.write("labels.idx", content);
    test::expect_refused(IMAGE_CLASSIFIER, train()(folder / "images.idx"), labels + error, folder / "");
  }
}

TEST_F(MalformedFiles, Npy) {
  data::save_npy(folder / "labels.npy", tensor({0, 1}).to(i32));
  data::save_npy(folder / "good.npy", zeros({2, 4, 4}, {.dtype = i32}));
  const std::string good = read_back(folder / "good.npy");
  const auto with = [&](const std::string& what, const std::string& by) { return replaced(good, what, by); };
  expect_refused(
      IMAGE_CLASSIFIER, train(),
      {
          {"images.npy", "", ": byte 0: not a npy file, which begins with \"\\x93NUMPY\": this one is empty"},
          {"images.npy", "NUMPY", ": byte 0: not a npy file"},
          {"images.npy", overwritten(good, 6, "\x09"), ": byte 6: version 9; 1 to 3 can be read"},
          {"images.npy", good.substr(0, 20), ": byte 20: the file ends early, within its header"},
          {"images.npy", overwritten(good, 8, "\xff\xff"),
           ": byte " + std::to_string(good.size()) + ": the file ends early, within its header"},
          {"images.npy", with("'descr'", "'deskr'"), ": byte 19: the header is broken: a key that npy has not"},
          {"images.npy", with("{", "["), ": byte 10: the header is broken: { is missing"},
          {"images.npy", with("(2, 4", "(2; 4"), ": byte "},
          {"images.npy", with("'<i4'", "'|O8'"), ": elements of the type \"|O8\"; numbers and bool can be read"},
          {"images.npy", with("(2, 4, 4, )", "(9999999999,"), ": "},
          {"images.npy", good.substr(0, good.size() - 1),
           ": byte " + std::to_string(good.size() - 1) + ": the file ends early, within its elements"},
          {"images.npy", good + "x", ": byte " + std::to_string(good.size()) + ": 1 bytes follow the last element"},
          {"images.npy", overwritten(good, good.size() - 4, little(256)), ": a pixel of picture 1 is 256"},
          {"images.npy", with("'<i4'", "'<f4'"), ": a npy file of images has bytes along the axes"},
      });
}

TEST_F(MalformedFiles, Png) {
  const data::Image image{3, 12, 10, std::vector<uint8_t>(360, 99)};
  const std::string good = data::encode_png(image);
  const size_t data_at = good.find("IDAT");
  for (const char* name : {"good/a", "good/b"}) std::filesystem::create_directories(folder / name);
  folder.write("good/a/1.png", good);
  const auto refused = [&](const std::string& content, const std::string& error) {
    SCOPED_TRACE(error);
    const std::string path = folder.write("good/b/2.png", content);
    test::expect_refused(IMAGE_CLASSIFIER, train()(folder / "good"), path + error, folder / "");
  };
  refused("", ": byte 0: not a PNG or JPEG file");
  refused("GIF89a", ": byte 0: not a PNG or JPEG file");
  refused(overwritten(good, 1, "png"), ": byte 0: not a PNG or JPEG file");
  refused(good.substr(0, 20), ": byte 20: the file ends early, within its chunk");
  refused(good.substr(0, good.size() - 12), ": byte " + std::to_string(good.size() - 12) + ": the file ends early");
  refused(overwritten(good, 17, "\x01"), ": byte 8: the chunk \"IHDR\" is broken: its checksum is another one");
  refused(overwritten(good, data_at + 6, "\x01\x02"), ": byte " + std::to_string(data_at - 4) + ": the chunk \"IDAT\"");
  refused(overwritten(good, data_at - 4, "\x7f"), ": byte " + std::to_string(good.size()) + ": the file ends early");
  // Whole chunks that make no picture.
  const auto chunk = [](const std::string& kind, const std::string& content) {
    const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>((kind + content).data()), kind.size() + content.size());
    std::string out;
    for (const auto number : {static_cast<uint32_t>(content.size()), static_cast<uint32_t>(sum)}) {
      for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
    }
    return out.substr(0, 4) + kind + content + out.substr(4);
  };
  const std::string signature = good.substr(0, 8);
  refused(signature + chunk("IEND", ""), ": not a PNG file that can be read: ");
  refused(signature + chunk("IHDR", bytes({0, 1, 0, 0, 0, 1, 0, 0, 8, 2, 0, 0, 0})) + chunk("IDAT", "x") +
              chunk("IEND", ""),
          ": a picture of 65536 x 65536 pixels; up to ");
  refused(signature + good.substr(8, 25) + chunk("IDAT", "no deflate") + chunk("IEND", ""),
          ": the PNG file is broken: ");
}

TEST_F(MalformedFiles, Wave) {
  const std::string good = data::encode_wav({4000, std::vector<float>(500, 0.25f)});
  for (const char* name : {"good/a", "good/b"}) std::filesystem::create_directories(folder / name);
  folder.write("good/a/1.wav", good);
  const auto refused = [&](const std::string& content, const std::string& error) {
    SCOPED_TRACE(error);
    const std::string path = folder.write("good/b/2.wav", content);
    test::expect_refused(SPEECH_CLASSIFIER, train()(folder / "good"), path + error, folder / "");
  };
  refused("", ": byte 0: not a WAVE file, which begins with \"RIFF....WAVE\": this one is empty");
  refused(replaced(good, "WAVE", "AVI "), ": byte 0: not a WAVE file");
  refused(good.substr(0, 30), ": byte 30: the file ends early, within its format");
  refused(good.substr(0, 36), ": byte 36: the file has no data chunk");
  refused(good.substr(0, 100), ": byte 100: the file ends early, within its sound");
  refused(overwritten(good, 16, little(uint32_t{8})),
          ": byte 16: a format chunk has at least 16 bytes; this one has 8");
  refused(overwritten(good, 20, little(uint16_t{85})), ": byte 20: encoding 85 of 16 bits; PCM");
  refused(overwritten(good, 22, little(uint16_t{0})), ": byte 22: 0 channels; 1 to ");
  refused(overwritten(good, 24, little(uint32_t{0})), ": byte 24: 0 samples a second");
  refused(overwritten(good, 32, little(uint16_t{3})), ": byte 20: a frame of 3 bytes for 1 channels of 16 bits");
  refused(overwritten(good, 34, little(uint16_t{12})), ": byte 20: encoding 1 of 12 bits");
  refused(overwritten(good, 40, little(uint32_t{999})), ": byte 40: 999 bytes of sound are no whole number of frames");
  refused(overwritten(good, 40, little(uint32_t{0})), ": byte 40: the recording is empty");
  refused(replaced(good, "fmt ", "fact"), ": byte 36: the sound stands before its format");
  refused(data::encode_wav({400000, {0.5f, 0.5f}}), ": 400000 samples a second cannot be converted to 4000");
}

TEST_F(MalformedFiles, Tar) {
  const std::string sound = data::encode_wav({4000, std::vector<float>(500, 0.25f)});
  const std::string first = tar_entry("a/1.wav", sound), good = first + tar_entry("b/2.wav", sound) + tar_end();
  const std::string second = std::to_string(first.size());
  expect_refused(
      SPEECH_CLASSIFIER, train(),
      {
          {"t.tar", "", ": no .wav, .flac, "},
          {"t.tar", tar_end(), ": no .wav, .flac, "},
          {"t.tar", std::string(600, 'x'), ": byte 0: not a tar archive"},
          {"t.tar", good.substr(0, 300), ": byte 300: the archive ends early, within a header"},
          {"t.tar", good.substr(0, 1000), ": byte 1000: the archive ends early, within a/1.wav"},
          {"t.tar", overwritten(good, first.size() + 5, "x"), ": byte " + second + ": the archive's header is broken"},
          {"t.tar", first + tar_entry("b/2.wav", "no sound") + tar_end(), "/b/2.wav: byte 0: not a WAVE file"},
          {"t.tar.gz", first_half(gzip(good)), ": gzip data ends early, at byte "},
      });
}

}  // namespace
}  // namespace fovea::test
