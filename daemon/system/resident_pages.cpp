// Segments that cannot be written are pages of files, which MADV_DONTNEED drops and a later use maps again.
// Not so a page that was written after all, by a debugger's breakpoint, a uprobe or a relocation in the text:
// what was written would be lost. The kernel tells them apart (/proc/self/pagemap), and their segment is left
// alone.
#include "system/resident_pages.hpp"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "system/descriptor.hpp"

namespace bleconnd {
namespace {

// Bits of an entry of pagemap (Documentation/admin-guide/mm/pagemap.rst of Linux).
constexpr auto kPresent = std::uint64_t{1} << 63;
constexpr auto kSwapped = std::uint64_t{1} << 62;  // a page of a file is never
constexpr auto kOfFile = std::uint64_t{1} << 61;

struct Sweep {
  Descriptor pagemap{open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
  std::uintptr_t page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  std::size_t swept = 0;

  bool is_clean(std::uintptr_t begin, std::uintptr_t end) const {
    std::array<std::uint64_t, 512> entries;
    for (auto at = begin; at < end; at += entries.size() * page) {
      const auto count = std::min<std::size_t>(entries.size(), (end - at) / page);
      const auto bytes = count * sizeof entries[0];
      const auto got =
          pread(pagemap.get(), entries.data(), bytes, static_cast<off_t>(at / page * sizeof entries[0]));
      if (got != static_cast<ssize_t>(bytes)) return false;
      const auto written = [](auto entry) {
        return (entry & kSwapped) || ((entry & kPresent) && !(entry & kOfFile));
      };
      if (std::any_of(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count), written))
        return false;
    }
    return true;
  }

  // Whole pages only: where pages are larger than the linker took them to be, the last one is the next
  // segment's.
  void give_back(std::uintptr_t begin, std::uintptr_t end) {
    begin = (begin + page - 1) / page * page;
    end = end / page * page;
    if (begin < end && is_clean(begin, end) &&
        madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0)
      swept += end - begin;
  }

  static int on_loaded(dl_phdr_info* loaded, std::size_t, void* self) {
    for (auto* segment = loaded->dlpi_phdr; segment != loaded->dlpi_phdr + loaded->dlpi_phnum; ++segment)
      if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W)) {
        const auto begin = loaded->dlpi_addr + segment->p_vaddr;
        static_cast<Sweep*>(self)->give_back(begin, begin + segment->p_memsz);
      }
    return 0;
  }
};

}  // namespace

std::size_t give_back_program_pages() {
  Sweep sweep;
  dl_iterate_phdr(Sweep::on_loaded, &sweep);
  return sweep.swept;
}

}  // namespace bleconnd
