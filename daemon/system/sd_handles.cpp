// The end of a process whose event loop or bus cannot work.
// It says why in the log; a core dump or the exit status says where.
#include "system/sd_handles.hpp"

#include <cstdlib>
#include <cstring>

#include "system/journal.hpp"

namespace bleconnd {

int must(int result, const char* what) {
  if (result >= 0) return result;
  Journal{}.error("{}: {}", what, std::strerror(-result));
  std::abort();
}

}  // namespace bleconnd
