#include "async/scope.hpp"

namespace bleconnd {

// Here and not in the header: g++ 12 names the fields of a coroutine's frame anew in each source.
Scope::Root Scope::drive(Scope&, Task<Unit> task) {
  co_await task;
}

}  // namespace bleconnd
