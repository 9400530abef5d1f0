#pragma once

#include <map>
#include <span>
#include <string>

#include "fovea/data/files.h"
#include "fovea/tensor/tensor.h"

namespace fovea::data {

/// A safetensors file (https://github.com/huggingface/safetensors), mapped: opening reads and checks the header alone,
/// a tensor's bytes are read when it is asked for. No file is trusted: names that stand there twice, offsets that
/// overlap, leave gaps or pass the end, sizes that overflow or do not fit are refused when it is opened.
class SafetensorsFile {
 public:
  /// Throws DataError.
  explicit SafetensorsFile(const std::string& path);

  struct Info {
    std::string dtype;  // as the file has it: "F32"
    Shape shape;
    size_t begin;  // offsets in the data behind the header
    size_t end;
  };

  const std::map<std::string, Info>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return tensors_.contains(name); }

  /// The bytes of a tensor as they lie in the file, valid as long as this lives. Throws DataError where there is none of
  /// that name.
  std::span<const std::byte> bytes(const std::string& name) const;

  /// A copy of one tensor on the CPU. F32, F64, F16, BF16, I32 and BOOL become the dtype of that name, I64 becomes i32.
  /// Throws DataError where there is none of that name, its dtype is another, a number does not fit i32 or a bool's
  /// byte is neither 0 nor 1.
  Tensor tensor(const std::string& name) const;

 private:
  std::string path_;
  MappedFile file_;
  size_t data_begin_ = 0;
  std::map<std::string, Info> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// All tensors of a file, on the CPU. Throws DataError.
std::map<std::string, Tensor> load_safetensors(const std::string& path);

/// A tensor of a dtype that Tensor does not have, as it is to lie in a file.
struct StoredTensor {
  std::string dtype;  // "I8", of a byte an element
  Shape shape;
  std::span<const std::byte> bytes;
};

/// Writes tensors of any device and strides, atomically (see write_atomically). The same tensors and metadata give the
/// same bytes. Throws DataError, and ValueError where a name or the metadata is not UTF-8 or a name is "__metadata__".
void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {}, Caller caller = {});
/// The same with further tensors beside them, of names that these do not have.
void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata,
                      const std::map<std::string, StoredTensor>& stored, Caller caller = {});

}  // namespace fovea::data
