# fairlead_bpf_skeleton(NAME FILE...): compiles all FILEs as one translation unit for the BPF target and makes
# NAME.skel.h; gives target fairlead::NAME_skel with its include directory. One unit, because libbpf's static linker
# (1.1) loses the inner maps of arrays of maps that several objects declare: docs/decisions/0002.
find_program(FAIRLEAD_BPF_CLANG NAMES clang-16 clang-19 clang-15 clang-14 clang REQUIRED)
find_program(FAIRLEAD_BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)
find_library(FAIRLEAD_LIBBPF bpf REQUIRED)

set(FAIRLEAD_BPF_FLAGS -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare
    -Wno-missing-declarations -fno-stack-protector
    -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/bpf -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})

function(fairlead_bpf_skeleton name)
  set(unit "")
  foreach(source ${ARGN})
    string(APPEND unit "#include \"${source}\"\n")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.c CONTENT "${unit}" @ONLY)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/skel/${name}.skel.h)
  add_custom_command(OUTPUT ${object}
    COMMAND ${FAIRLEAD_BPF_CLANG} ${FAIRLEAD_BPF_FLAGS} -MD -MF ${object}.d -c ${name}.bpf.c -o ${object}
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
    DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.c ${ARGN} DEPFILE ${object}.d COMMENT "BPF ${name}.bpf.o" VERBATIM)
  add_custom_command(OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/skel
    COMMAND sh -c "'${FAIRLEAD_BPFTOOL}' gen skeleton '${object}' name '${name}' > '${header}.new' && mv '${header}.new' '${header}'"
    DEPENDS ${object} COMMENT "BPF skeleton ${name}.skel.h" VERBATIM)
  add_custom_target(${name}_skel_header ALL DEPENDS ${header})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_skel_header)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/skel)
  target_link_libraries(${name}_skel INTERFACE ${FAIRLEAD_LIBBPF} elf z)
  add_library(fairlead::${name}_skel ALIAS ${name}_skel)
endfunction()
