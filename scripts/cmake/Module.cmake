# fairlead_module(NAME SOURCES file... LINKS target...): a static library fairlead_NAME, alias fairlead::NAME, with our
# warnings, the public include directory, and the folder it is declared in for private headers.
function(fairlead_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(fairlead_${name} STATIC ${arg_SOURCES})
  add_library(fairlead::${name} ALIAS fairlead_${name})
  target_include_directories(fairlead_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
  target_link_libraries(fairlead_${name} PUBLIC ${arg_LINKS} PRIVATE fairlead_warnings)
endfunction()
