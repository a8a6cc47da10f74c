# One list of warnings for all of our own code; all are errors.
add_library(fairlead_warnings INTERFACE)
target_compile_options(fairlead_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Wnull-dereference -Wformat=2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives of these two inside its own std::expected and std::string under -O2.
  target_compile_options(fairlead_warnings INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-null-dereference)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's own std::stable_sort uses what C++17 has deprecated; libbpf's LIBBPF_OPTS is what the others speak of.
  # g++ still says where we do either.
  target_compile_options(fairlead_warnings INTERFACE -Wno-deprecated-declarations
    -Wno-gnu-statement-expression-from-macro-expansion -Wno-c99-extensions -Wno-missing-designated-field-initializers)
endif()
