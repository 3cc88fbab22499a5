// A GATT cache of many devices: the daemon's own entry of one, and copies of it under other addresses.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace bleconnd::benchmark {

inline std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

inline std::string hex(std::size_t byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {kDigits[byte / 16 % 16], kDigits[byte % 16]};
}

inline std::filesystem::path entry_file(const std::string& folder, const std::string& address) {
  return std::filesystem::path{folder} / (replaced(address, ":", "_") + ".json");
}

// Until there are so many, with that of `address` itself.
inline void copy_entry(const std::string& folder, const std::string& address, std::size_t entries) {
  const std::string text{std::istreambuf_iterator<char>{std::ifstream{entry_file(folder, address)}.rdbuf()},
                         {}};
  for (std::size_t number = 1; number < entries; ++number) {
    const auto other = "C0:00:00:FF:" + hex(number / 256) + ":" + hex(number % 256);
    const auto renamed = replaced(text, address, other);
    std::ofstream{entry_file(folder, other)}
        << replaced(renamed, replaced(address, ":", "_"), replaced(other, ":", "_"));
  }
}

}  // namespace bleconnd::benchmark
