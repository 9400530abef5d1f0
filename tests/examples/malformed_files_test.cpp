// Files of every format that are broken in every way that comes to mind: one line that names the file and the line or the
// byte, exit status 2, nothing written.
#include <bit>
#include <cstring>

#include "data/tar_writer.h"
#include "fovea/data/npy.h"
#include "fovea/tensor/creation.h"
#include "media_classifiers.h"
#include "refusal.h"
#include "tables.h"
#include "text_classifier.h"

namespace fovea::test {
namespace {

using data::testing::gzip;
using data::testing::tar_end;
using data::testing::tar_entry;

/// A number's bytes, the least significant one first.
template <class T>
std::string little(T value) {
  static_assert(std::endian::native == std::endian::little);
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

/// `text` with what stands at `place` replaced by as many new bytes.
std::string overwritten(std::string text, size_t place, const std::string& by) {
  return text.replace(place, by.size(), by);
}

/// `text` with the first `what` replaced.
std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  if (at == std::string::npos) throw std::logic_error("no " + what + " to replace");
  return text.replace(at, what.size(), by);
}

std::string first_half(const std::string& text) { return text.substr(0, text.size() / 2); }

/// A file and what must be said of it behind its name.
struct Row {
  std::string name;
  std::string content;
  std::string error;
};

class MalformedFiles : public testing::Test {
 protected:
  /// Writes each file and runs the program with the arguments that `command` makes of its path.
  void expect_refused(const std::string& program, const std::function<Words(const std::string& path)>& command,
                      const std::vector<Row>& rows) const {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name + row.error);
      const std::string path = folder.write(row.name, row.content);
      test::expect_refused(program, command(path), path + row.error, folder / "");
      std::filesystem::remove(path);
    }
  }
  /// The same of a file in the folder of a model, which is whole again afterwards.
  void expect_model_refused(const std::string& program, const std::string& file, const Words& input,
                            const std::vector<std::pair<std::string, std::string>>& rows) const {
    const std::string path = folder / ("model/" + file), whole = read_back(path);
    for (const auto& [content, error] : rows) {
      SCOPED_TRACE(file + error);
      folder.write("model/" + file, content);
      test::expect_refused(program, Words{"predict", "--model", folder / "model"} + input, path + error, folder / "");
    }
    folder.write("model/" + file, whole);
    EXPECT_EQ(run(program, Words{"predict", "--model", folder / "model"} + input).status, 0);
  }
  std::function<Words(const std::string&)> train(const Words& flags = {}) const {
    return [this, flags](const std::string& path) {
      return Words{"train", "--train", path, "--out", folder / "out"} + flags;
    };
  }
  void make_model(const std::string& program, const std::string& data, const Words& flags) const {
    const Finished done =
        run(program, Words{"train", "--train", data, "--out", folder / "model", "--epochs", "1", "--quiet"} + flags);
    ASSERT_EQ(done.status, 0) << done.error;
  }

  TempFolder folder;
};

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

TEST_F(MalformedFiles, Safetensors) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const std::string good = read_back(folder / "model/model.safetensors");
  uint64_t length = 0;
  std::memcpy(&length, good.data(), 8);
  const std::string header = good.substr(8, length);
  /// The file with another header.
  const auto with = [&](const std::string& what, const std::string& by) {
    const std::string changed = replaced(header, what, by);
    return little(changed.size()) + changed + good.substr(8 + length);
  };
  expect_model_refused(
      TEXT_CLASSIFIER, "model.safetensors", {"text"},
      {
          {"", ": not a safetensors file: it has only 0 bytes"},
          {good.substr(0, 7), ": not a safetensors file: it has only 7 bytes"},
          {"PK\x03\x04 something else altogether", ": not a safetensors file: it begins as torch.save's do"},
          {overwritten(good, 0, little(~uint64_t{0})),
           ": not a safetensors file: a header of 18446744073709551615 bytes"},
          {overwritten(good, 8, "["), ": not a safetensors file: the header does not begin with {"},
          {overwritten(good, 8 + 20, "\x01"), ": the header is not valid JSON at byte "},
          {first_half(good), ": "},
          {good.substr(0, good.size() - 4), ": tensor "},
          {good + "x", ": bytes "},
          {with("\"F32\"", "\"F33\""), ": tensor "},
          {with("\"shape\":[", "\"shape\":[9007199254740993,4611686018427387905,"), ": tensor "},
          {with("\"data_offsets\":[0,", "\"data_offsets\":[4,"), ": "},
          {with("\"dtype\"", "\"dtyp\""), ": tensor "},
          {with("{\"", "{\"extra\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\""),
           ": its tensors are not"},
          {with("\"run\":\"", "\"run\":\"0"), ": not the weights of the model that config.json describes"},
      });
}

TEST_F(MalformedFiles, SafetensorsOf8Bits) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const Finished done = run(TEXT_CLASSIFIER, {"export", "--model", folder / "model", "--int8", folder / "small"});
  ASSERT_EQ(done.status, 0) << done.error;
  const std::string good = read_back(folder / "small/model.safetensors");
  const std::string what = ": tensor \"embedding.weight\" is I8 and has no BF16 .scale for each of its rows";
  const auto with = [&](const std::string& from, const std::string& to) { return replaced(good, from, to); };
  expect_model_refused(
      TEXT_CLASSIFIER, "model.safetensors", {"text"},
      {{with("embedding.weight.scale", "embedding.weight.scald"), what},
       {with("\"embedding.weight.scale\":{\"dtype\":\"BF16\"", "\"embedding.weight.scale\":{ \"dtype\":\"F16\""), what},
       {with("\"dtype\":\"I8\"", "\"dtype\":\"U8\""), ": tensor "}});
}

TEST_F(MalformedFiles, Checkpoints) {
  const std::string data = folder.write("good.csv", reviews(20));
  make_model(TEXT_CLASSIFIER, data, small);
  const std::string weights = read_back(folder / "model/model.safetensors");
  const std::string path = folder / "model/checkpoint.safetensors";
  for (const auto& [content, error] : std::vector<std::pair<std::string, std::string>>{
           {"", ": not a safetensors file: it has only 0 bytes"},
           {"nothing like it, but longer than a header", ": not a safetensors file: a header of "},
           {first_half(weights), ": "},
           {weights, ": not a checkpoint"},
       }) {
    folder.write("model/checkpoint.safetensors", content);
    test::expect_refused(TEXT_CLASSIFIER, {"train", "--train", data, "--out", folder / "model", "--resume"},
                         path + error, folder / "");
  }
}

TEST_F(MalformedFiles, TokenizerJson) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(60)),
             small + Words{"--tokens", "bpe", "--vocabulary", "300"});
  const std::string good = read_back(folder / "model/tokenizer.json");
  const auto with = [&](const std::string& what, const std::string& by) { return replaced(good, what, by); };
  const auto lines = static_cast<int64_t>(std::count(good.begin(), good.end(), '\n'));
  const size_t splitter = good.find("\"pre_tokenizer\"");
  expect_model_refused(
      TEXT_CLASSIFIER, "tokenizer.json", {"text"},
      {
          {"", ":1: not valid JSON"},
          {good.substr(0, good.rfind('}')), ":" + std::to_string(lines) + ": not valid JSON"},
          {"{\n\"model\": {,\n", ":2: not valid JSON"},
          {"[1e999]", ": it holds a number that is too large"},
          {"[]", ": not a tokenizer: it has no model"},
          {"{\"model\": 1}", ": not a tokenizer: it has no model"},
          {with("\"BPE\"", "\"Unigram\""), ": a tokenizer of the kind \"Unigram\"; BPE is supported"},
          {good.substr(0, splitter) + replaced(good.substr(splitter), "\"ByteLevel\"", "\"Metaspace\""),
           ": the pre_tokenizer \"Metaspace\" is not supported"},
          {with("\"Lowercase\"", "\"NFKC\""), ": the normalizer \"NFKC\" is not supported"},
          {with("\"vocab\"", "\"words\""), ": model has no vocab"},
          {with("\"merges\"", "\"joins\""), ": model has no merges"},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": -1,"), ": the id of \"zz\" is not from 0 to "},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": 1e99,"), ": the id of \"zz\" is not a whole number"},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": 99999999999,"), ": the id of \"zz\" is not from 0 to "},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": 5,"), ": "},
          {with("\"merges\": [", "\"merges\": [[\"zz\", \"yy\"],"), ": merge 0: \"zz\" is no token"},
          {with("\"merges\": [", "\"merges\": [\"zz\","), ": merge 0: \"zz\" is not two tokens"},
          {with("\"merges\": [", "\"merges\": [7,"), ": merge 0 is not two tokens"},
          {overwritten(good, 5, "\xff"), ": byte 6 is not UTF-8"},
      });
}

TEST_F(MalformedFiles, ConfigJson) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const std::string good = read_back(folder / "model/config.json");
  const auto with = [&](const std::string& what, const std::string& by) { return replaced(good, what, by); };
  const auto lines = static_cast<int64_t>(std::count(good.begin(), good.end(), '\n'));
  expect_model_refused(
      TEXT_CLASSIFIER, "config.json", {"text"},
      {
          {"", ":1: not valid JSON"},
          {good.substr(0, good.rfind('}')), ":" + std::to_string(lines) + ": not valid JSON"},
          {"[1e999]", ": it holds a number that is too large"},
          {"[]", ": not the configuration of a model"},
          {"{\"model_type\": \"bert\"}", ": not the configuration of a model"},
          {with("fovea model 1", "fovea model 9"), ": not the configuration of a model"},
          {with("\"text_classifier\"", "\"image_classifier\""),
           ": a model of image_classifier, not of text_classifier"},
          {with("\"text_classifier\"", "7"), ": not the configuration of a model"},
          {with("\"epochs\"", "\"epoch_count\""), ": unknown option \"epoch_count\""},
          {with("\"epochs\": 1", "\"epochs\": \"many\""), ": epochs: \"many\" is not a whole number"},
          {with("\"epochs\": 1", "\"epochs\": -1"), ": epochs: -1 is not between 1 and"},
          {with("\"epochs\": 1", "\"epochs\": 18446744073709551615"), ": epochs: 18446744073709551615 is too great"},
          {with("\"options\": {", "\"options\": [], \"more\": {"), ": its options are not an object"},
          {with("\"good\"", "\"bad\""), ": two of its classes have one name"},
          {with("\"bad\",", ""), ": a model needs two classes; it has 1"},
          {with("\"good\"", "7"), ": not the configuration of a model"},
      });
}

TEST_F(MalformedFiles, Vocabulary) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const std::string good = read_back(folder / "model/vocabulary.txt");
  const size_t third = good.find('\n', good.find('\n') + 1) + 1;
  expect_model_refused(TEXT_CLASSIFIER, "vocabulary.txt", {"text"},
                       {
                           {"", ": the file is empty"},
                           {good.substr(0, 3), ":1: "},
                           {good.substr(third), ":1: not a vocabulary: expected "},
                           {good.substr(0, good.size() - 1), ":"},
                           {good + good.substr(third, good.find('\n', third) + 1 - third), ":"},
                           {good + "a\\q\n", ":"},
                           {good + "caf\xe9\n", ":"},
                       });
}

TEST_F(MalformedFiles, ColumnsJson) {
  make_model(TABULAR_CLASSIFIER, folder.write("good.csv", rows(60, 1)),
             {"--dim", "8", "--heads", "2", "--layers", "1", "--feedforward", "8"});
  const std::string good = read_back(folder / "model/columns.json");
  expect_model_refused(TABULAR_CLASSIFIER, "columns.json", {"0.5,0.5,red,3"},
                       {
                           {"", ":1: not valid JSON"},
                           {first_half(good), ":"},
                           {"[1e999]", ": it holds a number that is too large"},
                           {"{}", ": not the columns of a model"},
                           {replaced(good, "\"name\"", "\"nam\""), ": not the columns of a model"},
                           {replaced(good, "\"scale\": [", "\"scale\": [\"x\","), ": not the columns of a model"},
                       });
}

}  // namespace
}  // namespace fovea::test
