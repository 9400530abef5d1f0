#include "fovea/data/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "fovea/data/file_error.h"
#include "fovea/data/safetensors_header.h"
#include "fovea/data/utf8.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

// Tensors are copied as they lie in memory.
static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr size_t longest_header = size_t{100} << 20;

struct StoredType {
  const char* name;
  DType dtype;
};
constexpr std::array<StoredType, 6> stored_types{
    {{"F32", f32}, {"F64", f64}, {"F16", f16}, {"BF16", bf16}, {"I32", i32}, {"BOOL", boolean}}};

const char* stored_name(DType dtype) {
  return std::find_if(stored_types.begin(), stored_types.end(), [=](auto type) { return type.dtype == dtype; })->name;
}

std::vector<int32_t> narrow(const std::string& path, const std::string& name, std::span<const std::byte> bytes) {
  std::vector<int32_t> out;
  out.reserve(bytes.size() / 8);
  for (size_t i = 0; i < bytes.size(); i += 8) {
    int64_t value;
    std::memcpy(&value, bytes.data() + i, 8);
    if (value != static_cast<int32_t>(value)) {
      fail(path, "tensor {} holds {}, which does not fit i32", in_quotes(name), value);
    }
    out.push_back(static_cast<int32_t>(value));
  }
  return out;
}

Tensor from_bytes(std::span<const std::byte> bytes, const Shape& shape, DType dtype) {
  Tensor out = empty(shape, {.dtype = dtype});
  if (!bytes.empty()) out.backend().write(*out.buffer(), 0, bytes.data(), bytes.size());
  return out;
}

void check_text(std::string_view text, const char* what, Caller caller) {
  if (find_invalid_utf8(text) != std::string_view::npos) {
    raise<ValueError>(caller, "save_safetensors: {} is not UTF-8", what);
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.size() < 8) fail(path, "not a safetensors file: it has only {} bytes", bytes.size());
  const std::string_view beginning(reinterpret_cast<const char*>(bytes.data()), 8);
  if (beginning.starts_with("PK\x03\x04") || beginning.starts_with("\x80\x02")) {
    fail(path, "not a safetensors file: it begins as torch.save's do; safetensors.torch.save_file writes such");
  }
  uint64_t length;
  std::memcpy(&length, bytes.data(), 8);
  if (length > bytes.size() - 8) {
    fail(path, "not a safetensors file: a header of {} bytes in a file of {}", length, bytes.size());
  }
  if (length > longest_header) fail(path, "the header has {} bytes, more than {} MiB", length, longest_header >> 20);
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  data_begin_ = 8 + length;
  SafetensorsHeader header = parse_safetensors_header(path, json, bytes.size() - data_begin_);
  tensors_ = std::move(header.tensors);
  metadata_ = std::move(header.metadata);
}

std::span<const std::byte> SafetensorsFile::bytes(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(path_, "no tensor {}", in_quotes(name));
  return file_.bytes().subspan(data_begin_ + found->second.begin, found->second.end - found->second.begin);
}

Tensor SafetensorsFile::tensor(const std::string& name) const {
  const std::span<const std::byte> bytes = this->bytes(name);
  const Info& info = tensors_.at(name);
  if (info.dtype == "I64") {
    const std::vector<int32_t> values = narrow(path_, name, bytes);
    return from_bytes(std::as_bytes(std::span(values)), info.shape, i32);
  }
  const auto type = std::find_if(stored_types.begin(), stored_types.end(),
                                 [&](const StoredType& candidate) { return info.dtype == candidate.name; });
  if (type == stored_types.end()) {
    fail(path_, "tensor {} has the dtype {}; F32, F64, F16, BF16, I32, I64 and BOOL are supported", in_quotes(name),
         info.dtype);
  }
  if (type->dtype == boolean &&
      std::any_of(bytes.begin(), bytes.end(), [](std::byte byte) { return std::to_integer<int>(byte) > 1; })) {
    fail(path_, "tensor {} is BOOL, but holds a byte other than 0 and 1", in_quotes(name));
  }
  return from_bytes(bytes, info.shape, type->dtype);
}

std::map<std::string, Tensor> load_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, info] : file.tensors()) tensors.emplace(name, file.tensor(name));
  return tensors;
}

void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata, Caller caller) {
  save_safetensors(path, tensors, metadata, {}, caller);
}

void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata,
                      const std::map<std::string, StoredTensor>& stored, Caller caller) {
  for (const auto& [key, value] : metadata) {
    check_text(key, "a key of the metadata", caller);
    check_text(value, "the metadata", caller);
  }
  // Larger elements first: then every tensor lies where its elements are aligned.
  using Item = std::pair<std::string, Tensor>;
  std::vector<Item> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const Item& a, const Item& b) { return size_of(a.second.dtype()) > size_of(b.second.dtype()); });
  SafetensorsHeader header{{}, metadata};
  size_t end = 0;
  const auto place = [&](const std::string& name, const std::string& dtype, const Shape& shape, size_t bytes) {
    check_text(name, "a tensor's name", caller);
    if (name == "__metadata__") raise<ValueError>(caller, "save_safetensors: no tensor may be named __metadata__");
    header.tensors[name] = {dtype, shape, end, end + bytes};
    end += bytes;
  };
  for (const auto& [name, tensor] : order) {
    const DType dtype = tensor.dtype();
    place(name, stored_name(dtype), tensor.shape(), static_cast<size_t>(tensor.numel()) * size_of(dtype));
  }
  for (const auto& [name, tensor] : stored) place(name, tensor.dtype, tensor.shape, tensor.bytes.size());
  std::string json = format_safetensors_header(header);
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const uint64_t length = json.size();

  write_atomically(path, [&](FileWriter& out) {
    out.write(&length, 8);
    out.write(json);
    std::vector<std::byte> bytes;
    for (const auto& [name, tensor] : order) {
      const Tensor whole = tensor.contiguous();
      const View& view = whole.view();
      const size_t element = size_of(view.dtype);
      bytes.resize(static_cast<size_t>(view.numel()) * element);
      if (bytes.empty()) continue;
      whole.backend().read(*whole.buffer(), static_cast<size_t>(view.offset) * element, bytes.data(), bytes.size());
      out.write(bytes.data(), bytes.size());
    }
    for (const auto& [name, tensor] : stored) out.write(tensor.bytes.data(), tensor.bytes.size());
  });
}

}  // namespace fovea::data
