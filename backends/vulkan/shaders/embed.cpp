// Writes SPIR-V files into one C++ source and a header that declares them: embed SOURCE HEADER FILE.spv ...
// A shader with cooperative matrices becomes two, NAME of f16 and NAME_bf16; see khr_matrices.h.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "half_rounding.h"
#include "khr_matrices.h"

namespace {

struct Shader {
  std::string name;
  std::vector<uint32_t> words;
};

std::vector<uint32_t> read_words(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::vector<uint32_t> words;
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    uint32_t word = 0;
    for (size_t byte = 0; byte < 4; ++byte)
      word |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i + byte])) << (8 * byte);
    words.push_back(word);
  }
  return words;
}

}  // namespace

int main(int count, char** arguments) {
  constexpr uint32_t spirv_magic = 0x07230203;
  if (count < 3) {
    std::fprintf(stderr, "usage: embed SOURCE HEADER FILE.spv ...\n");
    return 2;
  }
  std::vector<Shader> shaders;
  for (int i = 3; i < count; ++i) try {
      const std::filesystem::path file = arguments[i];
      const std::string name = file.stem().string();
      std::vector<uint32_t> words = read_words(file);
      if (words.size() < 5 || words[0] != spirv_magic) throw std::runtime_error("no SPIR-V");
      words = fovea::spirv::round_halves_to_even(words);
      if (fovea::spirv::uses_nv_matrices(words)) {
        shaders.push_back({name, to_khr_matrices(words, fovea::spirv::HalfType::f16)});
        shaders.push_back({name + "_bf16", to_khr_matrices(words, fovea::spirv::HalfType::bf16)});
      } else {
        shaders.push_back({name, std::move(words)});
      }
    } catch (const std::exception& error) {
      std::fprintf(stderr, "embed: %s: %s\n", arguments[i], error.what());
      return 1;
    }
  std::ofstream source(arguments[1]), header(arguments[2]);
  source << "#include \"fovea/vulkan_shaders.h\"\n\nnamespace fovea::vulkan::shaders {\n\n";
  header << "#pragma once\n\n#include \"fovea/backends/vulkan/pipelines.h\"\n\n"
            "// The shaders of backends/vulkan/shaders, by the names of their files.\n"
            "namespace fovea::vulkan::shaders {\n\n";
  for (const Shader& shader : shaders) {
    source << "static const uint32_t " << shader.name << "_words[] = {";
    for (size_t word = 0; word < shader.words.size(); ++word)
      source << shader.words[word] << (word % 12 == 11 ? "u,\n" : "u,");
    source << "};\nconst ShaderCode " << shader.name << "{\"" << shader.name << "\", " << shader.name << "_words};\n\n";
    header << "extern const ShaderCode " << shader.name << ";\n";
  }
  source << "}  // namespace fovea::vulkan::shaders\n";
  header << "\n}  // namespace fovea::vulkan::shaders\n";
  source.flush();
  header.flush();
  return source && header ? 0 : 1;
}
