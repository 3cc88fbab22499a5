// Which files count, and their bytes. Whatever lies there instead of a file is a warning; nothing waits.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include "core/printable.hpp"
#include "system/configuration.hpp"
#include "system/descriptor.hpp"

namespace bleconnd {
namespace {

constexpr std::size_t kMostBytes = 256 * 1024;
constexpr std::size_t kMostFiles = 256;  // in one folder
constexpr char kMain[] = "main.conf";
constexpr char kDropIns[] = "conf.d";

bool is_dev_null(const struct stat& file) {
  return S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, 3);
}

// At most a byte more than are read; nothing, with errno, if it cannot be read.
std::optional<std::string> bytes_of(int file) {
  std::string text(kMostBytes + 1, 0);
  std::size_t used = 0;
  while (used < text.size()) {
    const auto count = ::read(file, text.data() + used, text.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return {};
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
  }
  text.resize(used);
  return text;
}

// False if there is none of this name: then the next folder's counts.
bool read_file(const std::string& name, ConfigurationRead& into) {
  const auto fail = [&](int error) {
    into.warnings.push_back(fmt::format("{}: {}, ignored", name, std::strerror(error)));
    into.incomplete = into.incomplete || is_lack_of_means(error);
    return true;
  };
  const auto warn = [&](const std::string& text) {
    into.warnings.push_back(fmt::format("{}: {}, ignored", name, text));
    return true;
  };
  // Not waiting for whoever would write to a pipe.
  const Descriptor file{::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (file.get() < 0) return errno == ENOENT ? false : fail(errno);
  struct stat kind {};
  if (fstat(file.get(), &kind) < 0) return fail(errno);
  if (is_dev_null(kind)) return true;  // masked
  if (!S_ISREG(kind.st_mode)) return warn(S_ISDIR(kind.st_mode) ? "a directory, no file" : "no regular file");
  auto text = bytes_of(file.get());
  if (!text) return fail(errno);
  if (text->size() > kMostBytes) {
    text->resize(text->rfind('\n', kMostBytes) + 1);  // no half of a line; 0 without any
    into.warnings.push_back(
        fmt::format("{}: larger than {} bytes, only the first are read", name, kMostBytes));
  }
  into.files.push_back(name);
  parse_configuration(*text, name, into);
  return true;
}

// By name; of each the folders that have it, those that win first.
using DropIns = std::map<std::string, std::vector<std::string>>;

void list(const std::string& folder, DropIns& into, ConfigurationRead& read) {
  std::error_code error;
  std::filesystem::directory_iterator at{folder, error};
  std::size_t files = 0;
  for (; !error && at != std::filesystem::directory_iterator{}; at.increment(error)) {
    const auto name = at->path().filename().string();
    if (!name.ends_with(".conf") || name.starts_with('.')) continue;
    if (++files > kMostFiles) {
      read.warnings.push_back(
          fmt::format("{}: more than {} files, the others are ignored", folder, kMostFiles));
      return;
    }
    into[name].push_back(at->path().string());
  }
  if (!error || error == std::errc::no_such_file_or_directory) return;
  read.warnings.push_back(fmt::format("{}: {}, ignored", folder, error.message()));
  read.incomplete = read.incomplete || is_lack_of_means(error.value());
}

}  // namespace

std::vector<std::string> configuration_directories() {
  const char* set = std::getenv("CONFIGURATION_DIRECTORY");
  std::string_view rest{set ? set : ""};
  std::vector<std::string> all;
  while (!rest.empty()) {
    const auto one = rest.substr(0, rest.find(':'));
    if (!one.empty()) all.emplace_back(one);
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
  }
  if (all.empty()) all.emplace_back("/etc/bleconnd");
  if (all.size() == 1) all.insert(all.end(), {"/run/bleconnd", "/usr/lib/bleconnd"});
  return all;
}

ConfigurationRead read_configuration(const std::vector<std::string>& directories) {
  ConfigurationRead read;
  for (auto& directory : directories)
    if (read_file(directory + "/" + kMain, read)) break;
  DropIns drop_ins;
  for (auto& directory : directories) list(directory + "/" + kDropIns, drop_ins, read);
  for (auto& [name, files] : drop_ins)
    if (!read_file(files.front(), read))
      read.warnings.push_back(fmt::format("{}: {}, ignored", files.front(), std::strerror(ENOENT)));
  return read;
}

ConfigurationRead read_configuration_at(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return read_configuration({path});
  ConfigurationRead read;
  if (!read_file(path, read)) read.warnings.push_back(path + ": " + std::strerror(ENOENT));
  return read;
}

}  // namespace bleconnd
