// What a fuzzer expects of the code under test; libFuzzer keeps the input that breaks it.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace bleconnd::fuzz {

inline void must_hold(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

}  // namespace bleconnd::fuzz
