// What the start leaves resident: pages of the program and its libraries that are run once, by the dynamic
// linker, the parser of options, the reader of the configuration.
#pragma once
#include <cstddef>

namespace bleconnd {

// Unmaps the clean pages of everything that is loaded; those that are used again are mapped again from the
// kernel's page cache. Tells how many bytes were looked through, 0 where /proc is not there. For once, when
// the process has settled.
std::size_t give_back_program_pages();

}  // namespace bleconnd
