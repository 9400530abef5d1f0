#include "fovea/backends/soundness.h"

#include <cstdlib>
#include <sstream>
#include <string_view>

#include "fovea/backends/cache_file.h"
#include "fovea/backends/fnv.h"

namespace fovea {
namespace {

constexpr const char* override_name = "FOVEA_ALLOW_FAILED_KERNELS";

struct Record {
  std::filesystem::path file;  // empty where there is no folder to cache in
  std::string key;
};

Record record_of(Device device, Caller caller) {
  std::string description = backend(device, caller).description();
  // The CPU's tells the number of threads too, on which no result depends.
  if (const size_t threads = description.find(" threads, ");
      device.kind == Device::Kind::cpu && threads != description.npos)
    description.erase(0, threads + std::string_view(" threads, ").size());
  Record record;
  record.key = fmt::format("{} of fovea {}", description, FOVEA_VERSION);
  const uint64_t hash = Fnv().add(std::as_bytes(std::span(record.key))).value();
  if (const std::filesystem::path folder = cache_folder(); !folder.empty())
    record.file = folder / fmt::format("failed-kernels-{:016x}.bin", hash);
  return record;
}

}  // namespace

// One a line: the kernel, a tab, what is wrong.
std::vector<FailedKernel> failed_kernels(Device device, Caller caller) {
  const Record record = record_of(device, caller);
  if (record.file.empty()) return {};
  const std::vector<std::byte> bytes = read_cache(record.file, record.key);
  std::istringstream text(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::vector<FailedKernel> failed;
  for (std::string line; std::getline(text, line);) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) failed.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  return failed;
}

bool remember_failed_kernels(Device device, const std::vector<FailedKernel>& failed, Caller caller) {
  const Record record = record_of(device, caller);
  if (record.file.empty()) return false;
  std::string text;
  for (FailedKernel kernel : failed) {
    for (char& c : kernel.what) c = c == '\n' ? ' ' : c;
    text += kernel.kernel + "\t" + kernel.what + "\n";
  }
  return write_cache(record.file, record.key, std::as_bytes(std::span(text)));
}

void require_sound(Device device, Caller caller) {
  const std::vector<FailedKernel> failed = failed_kernels(device, caller);
  const char* wish = std::getenv(override_name);
  if (failed.empty() || (wish && std::string_view(wish) == "1")) return;
  std::string list;
  for (const FailedKernel& kernel : failed)
    list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", kernel.kernel, kernel.what);
  raise<DeviceError>(caller,
                     "{}: fovea doctor found kernels of {} that give wrong results: {}. After a change of the "
                     "driver, run 'fovea doctor --device {}' again; {}=1 uses them as they are",
                     device, backend(device, caller).description(), list, device, override_name);
}

}  // namespace fovea
