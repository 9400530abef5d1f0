// Writes small files of every kind to begin with: SEEDS FOLDER makes FOLDER/KIND/*.
#include <zlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/jpeg_writer.h"
#include "data/png_chunk.h"
#include "data/tar_writer.h"
#include "fovea/data/bpe.h"
#include "fovea/data/image_file.h"
#include "fovea/data/npy.h"
#include "fovea/data/safetensors.h"
#include "fovea/data/wav.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/model_folder.h"
#include "fovea/train/training_options.h"

namespace {

using namespace fovea;
namespace fs = std::filesystem;

class Seeds {
 public:
  Seeds(const fs::path& folder, const std::string& kind) : folder_(folder / kind) { fs::create_directories(folder_); }

  std::string path() { return folder_ / std::to_string(count_++); }
  Seeds& add(std::string_view bytes) {
    std::ofstream(path(), std::ios::binary) << bytes;
    return *this;
  }
  std::string name() const { return folder_; }

 private:
  fs::path folder_;
  int count_ = 0;
};

std::string zeroed(std::initializer_list<int> bytes, size_t zeros = 0) {
  std::string out;
  for (const int byte : bytes) out += static_cast<char>(byte);
  return out + std::string(zeros, '\0');
}

void tables(const fs::path& folder) {
  Seeds(folder, "csv")
      .add(zeroed({0}) + "label,text\ngood,\"a \"\"fine\"\" room,\nindeed\"\r\n\nbad,loud\n")
      .add(zeroed({1}) + "label\ttext\na\to\"ne\nb\t\"two\tthree\"\n")
      .add(zeroed({2}) + "1,2.5,caf\xc3\xa9\n,,\n")
      .add(zeroed({4}) + "\xef\xbb\xbf# 178,13\n1,2\n3,4\n");
  Seeds(folder, "jsonl")
      .add("{\"label\":\"a\",\"text\":\"one\\n\\u00e9\\ud83d\\ude00\"}\n{\"text\":\"two\",\"label\":3.5e2}\n")
      .add("{\"label\":[\"a\",\"b c\"],\"text\":\"one\"}\n{\"label\":[],\"text\":\"two\"}\n")
      .add("{\"a\":null,\"b\":true,\"c\":-0}\r\n\n{\"b\":false,\"a\":\"\",\"c\":[1,{}]}");
}

void arrays(const fs::path& folder) {
  Seeds(folder, "idx")
      .add(zeroed({0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2}, 8))
      .add(zeroed({0, 0, 13, 1, 0, 0, 0, 2, 63, 128, 0, 0, 64, 0, 0, 0}))
      .add(zeroed({0, 0, 11, 1, 0, 0, 0, 0}));
  Seeds npy(folder, "npy");
  const Tensor numbers = tensor({1, 2, 3, 4, 5, 6}).reshape({2, 3});
  for (const DType dtype : {f32, f64, i32, DType::boolean}) data::save_npy(npy.path(), numbers.to(dtype));
  Seeds files(folder, "safetensors");
  data::save_safetensors(files.path(), {});
  data::save_safetensors(files.path(), {{"a", numbers}, {"b.c", numbers.to(bf16)}, {"empty", zeros({0, 3})}},
                         {{"format", "pt"}, {"k", "v"}});
}

void media(const fs::path& folder) {
  Seeds(folder, "wav")
      .add(data::encode_wav({8000, std::vector<float>(50, 0.25f)}))
      .add(std::string("RIFF") + zeroed({52, 0, 0, 0}) + "WAVEfmt " +
           zeroed({16, 0, 0, 0, 3, 0, 2, 0, 64, 31, 0, 0, 0, 250, 0, 0, 8, 0, 32, 0}) + "data" +
           zeroed({8, 0, 0, 0}, 8));
  data::Image grey{1, 3, 5, std::vector<uint8_t>(15, 77)}, colour{3, 4, 2, std::vector<uint8_t>(24, 200)};
  Seeds(folder, "png")
      .add(data::encode_png(grey))
      .add(data::encode_png(colour))
      .add(data::testing::with_chunk(data::encode_png(colour), "eXIf", data::testing::exif_block(6).substr(6)));
  Seeds(folder, "jpeg")
      .add(data::testing::jpeg(grey))
      .add(data::testing::jpeg(colour, {.progressive = true}))
      .add(data::testing::jpeg(colour, {.inks = true, .adobe = true}))
      .add(data::testing::jpeg(grey, {.notes = {data::testing::exif_block(6)}}));
  using data::testing::tar_entry;
  Seeds(folder, "tar")
      .add(tar_entry("d/a.wav", std::string(700, 'x')) + tar_entry("d/", "", '5') + data::testing::tar_end())
      .add(tar_entry("././@LongLink", std::string(120, 'n'), 'L') + tar_entry("n", "content") +
           tar_entry("x", "20 path=a/longer/one\n", 'x') + tar_entry("y", "more") + data::testing::tar_end());
}

void configurations(const fs::path& folder) {
  const std::vector<std::string> texts{"low lower lowest", "new newer newest \u00e9"};
  Seeds tokenizers(folder, "tokenizer_json");
  for (const auto split : {data::BpeSplit::byte_level, data::BpeSplit::whitespace}) {
    data::BpeTokenizer::train(texts, {.words = {.split = split},
                                      .vocabulary = split == data::BpeSplit::byte_level ? 270 : 40,
                                      .special_tokens = {"<unk>"},
                                      .unknown = "<unk>"})
        .save(tokenizers.path());
  }
  train::TrainingOptions training;
  train::OptionTable options;
  training.declare(options);
  const fs::path model = folder / "model";
  fs::create_directories(model);
  Seeds configs(folder, "config_json");
  for (const char* decision : {"{}", "{\"threshold\":0.25}", "{\"costs\":[[0,1],[5,0]]}"}) {
    train::save_config(model, {.trainer = "text_classifier",
                               .options = options.to_json(),
                               .labels = data::Labels::in_order({"bad", "good"}),
                               .run = "0123456789abcdef",
                               .decision = decision});
    fs::rename(train::config_path(model), configs.path());
  }
  configs.add("{\"epochs\": 3, \"lr\": 1e-3, \"optimizer\": \"sgd\", \"balance\": \"sampling\"}");
  fs::remove(model);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const fs::path folder = argv[1];
  fs::remove_all(folder);
  tables(folder);
  arrays(folder);
  media(folder);
  configurations(folder);
}
