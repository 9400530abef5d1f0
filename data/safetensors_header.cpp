#include "fovea/data/safetensors_header.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "fovea/data/file_error.h"

namespace fovea::data {
namespace {

using nlohmann::json;
using Info = SafetensorsFile::Info;

constexpr const char* metadata_key = "__metadata__";

/// Bytes of an element, for every dtype of the format.
std::optional<size_t> stored_size(const std::string& dtype) {
  static const std::map<std::string, size_t> sizes{{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                                                   {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                                                   {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};
  const auto found = sizes.find(dtype);
  if (found == sizes.end()) return std::nullopt;
  return found->second;
}

/// Builds the tree, but stops at a key that an object has twice and at nesting that no header has.
json parse(const std::string& path, std::string_view text) {
  constexpr int deepest = 3;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > deepest) fail(path, "the header is nested too deeply");
    if (event == json::parse_event_t::object_start) {
      keys.resize(static_cast<size_t>(depth) + 1);
      keys.back().clear();
    } else if (event == json::parse_event_t::key) {
      const auto& name = value.get_ref<const std::string&>();
      if (!keys[static_cast<size_t>(depth) - 1].insert(name).second) {
        fail(path, "the header has {} twice", in_quotes(name));
      }
    }
    return true;
  };
  // The parser takes a NUL for the end and would not see what follows it.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    fail(path, "the header is not valid JSON at byte {}", 9 + nul);
  }
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::parse_error& error) {
    fail(path, "the header is not valid JSON at byte {}", 8 + error.byte);
  } catch (const json::exception&) {
    fail(path, "the header is not valid JSON");
  }
}

/// One tensor's entry, checked by itself.
class EntryReader {
 public:
  EntryReader(const std::string& path, const std::string& name, const json& entry)
      : path_(path), name_(name), entry_(entry) {}

  Info read(size_t data_bytes) const {
    if (!entry_.is_object()) refuse("is not an object");
    for (const auto& [key, value] : entry_.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") refuse("has an unknown key " + in_quotes(key));
    }
    Info info;
    const json& dtype = member("dtype");
    if (!dtype.is_string()) refuse("has a dtype that is not a string");
    info.dtype = dtype.get<std::string>();
    const auto element = stored_size(info.dtype);
    if (!element) refuse("has the unknown dtype " + in_quotes(info.dtype));

    const std::vector<size_t> sizes = numbers("shape");
    if (sizes.size() > static_cast<size_t>(max_rank)) {
      refuse(fmt::format("has {} axes, at most {} are supported", sizes.size(), max_rank));
    }
    // A size of 0 must not hide that the others are too large for the strides of a tensor.
    size_t extent = *element;
    bool empty = false;
    for (const size_t size : sizes) {
      if (__builtin_mul_overflow(extent, std::max(size, size_t{1}), &extent) || extent > PTRDIFF_MAX) {
        refuse("has a size that overflows");
      }
      empty = empty || size == 0;
      info.shape.push_back(static_cast<int64_t>(size));
    }
    const size_t bytes = empty ? 0 : extent;
    const std::vector<size_t> offsets = numbers("data_offsets");
    if (offsets.size() != 2) refuse("has data_offsets that are not two numbers");
    info.begin = offsets[0];
    info.end = offsets[1];
    if (info.begin > info.end) refuse("ends before it begins");
    if (info.end > data_bytes) refuse(fmt::format("ends at byte {} of the data, which has {}", info.end, data_bytes));
    if (info.end - info.begin != bytes) {
      refuse(fmt::format("has {} bytes, but {} of shape {} takes {}", info.end - info.begin, info.dtype, info.shape,
                         bytes));
    }
    return info;
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const { fail(path_, "tensor {} {}", in_quotes(name_), problem); }

  const json& member(const char* key) const {
    const auto found = entry_.find(key);
    if (found == entry_.end()) refuse(fmt::format("has no {}", key));
    return *found;
  }

  std::vector<size_t> numbers(const char* key) const {
    const json& list = member(key);
    if (!list.is_array()) refuse(fmt::format("has a {} that is not a list", key));
    std::vector<size_t> out;
    for (const json& number : list) {
      if (!number.is_number_unsigned()) refuse(fmt::format("has a {} that is not a list of whole numbers", key));
      out.push_back(number.get<size_t>());
    }
    return out;
  }

  const std::string& path_;
  const std::string& name_;
  const json& entry_;
};

std::vector<std::pair<std::string, Info>> by_offset(const std::map<std::string, Info>& tensors) {
  std::vector<std::pair<std::string, Info>> order(tensors.begin(), tensors.end());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::tie(a.second.begin, a.second.end, a.first) < std::tie(b.second.begin, b.second.end, b.first);
  });
  return order;
}

/// Tensors must lie one behind the other and fill the data.
void check_layout(const std::string& path, const std::map<std::string, Info>& tensors, size_t data_bytes) {
  size_t end = 0;
  for (const auto& [name, info] : by_offset(tensors)) {
    if (info.begin < end) fail(path, "tensor {} overlaps the one before it", in_quotes(name));
    if (info.begin > end) fail(path, "bytes {} to {} of the data belong to no tensor", end, info.begin);
    end = info.end;
  }
  if (end != data_bytes) fail(path, "bytes {} to {} of the data belong to no tensor", end, data_bytes);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view text, size_t data_bytes) {
  if (!text.starts_with('{')) fail(path, "not a safetensors file: the header does not begin with {{");
  const json tree = parse(path, text);
  SafetensorsHeader header;
  for (const auto& [name, entry] : tree.items()) {
    if (name != metadata_key) {
      header.tensors.emplace(name, EntryReader(path, name, entry).read(data_bytes));
      continue;
    }
    if (!entry.is_object()) fail(path, "the metadata is not an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) fail(path, "the metadata's {} is not a string", in_quotes(key));
      header.metadata.emplace(key, value.get<std::string>());
    }
  }
  check_layout(path, header.tensors, data_bytes);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  nlohmann::ordered_json tree = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) tree[metadata_key] = header.metadata;
  for (const auto& [name, info] : by_offset(header.tensors)) {
    nlohmann::ordered_json entry;
    entry["dtype"] = info.dtype;
    entry["shape"] = std::vector<int64_t>(info.shape.begin(), info.shape.end());
    entry["data_offsets"] = {info.begin, info.end};
    tree[name] = std::move(entry);
  }
  return tree.dump();
}

}  // namespace fovea::data
