# harden(): the compiler's and the linker's guards for what is shipped, in the folder that calls it and below. Each flag is used where
# the compiler knows it for this architecture, and not where CMAKE_CXX_FLAGS (a distribution's) say something of the same kind.
# tests/style/hardening looks at the result. Not for debug builds (_FORTIFY_SOURCE wants -O) nor beside sanitizers.
include(CheckCXXCompilerFlag)
include(CheckPIESupported)
option(BLECONND_HARDENING "PIE, RELRO, stack protector and the like in optimised builds" ON)
check_pie_supported(LANGUAGES CXX)

macro(harden)
  if(BLECONND_HARDENING AND NOT BLECONND_SANITIZE AND NOT BLECONND_FUZZ AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # libraries -fPIC, programs PIE
    # -fcf-protection is x86's, -mbranch-protection arm64's: the compiler refuses the other one's.
    foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard)
      string(REGEX REPLACE "^-[fm]([a-z]+-[a-z]+).*" "\\1" kind ${flag})
      string(MAKE_C_IDENTIFIER "bleconnd_has_${kind}" known)
      check_cxx_compiler_flag(${flag} ${known})
      if(${known} AND NOT CMAKE_CXX_FLAGS MATCHES "${kind}")
        add_compile_options(${flag})
      endif()
    endforeach()
    if(NOT CMAKE_CXX_FLAGS MATCHES "FORTIFY_SOURCE")
      set(level 3)
      if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
        set(level 2)  # 3 came with g++ 12
      endif()
      add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${level})
    endif()
    if(NOT CMAKE_CXX_FLAGS MATCHES "GLIBCXX_ASSERTIONS")
      add_compile_definitions(_GLIBCXX_ASSERTIONS)  # an index out of range ends the process
    endif()
    add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
  endif()
endmacro()
