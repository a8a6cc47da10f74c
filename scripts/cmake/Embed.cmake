# fairlead_embed(TARGET FOLDER file...): compiles text files of FOLDER into TARGET. The source that is made defines
# fairlead::gateway::page_files() with their names and contents.
function(fairlead_embed target folder)
  set(rows "")
  foreach(name ${ARGN})
    set(path ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${name})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
    file(READ ${path} content)
    string(APPEND rows "    {\"${name}\", R\"fl_page(${content})fl_page\"},\n")
  endforeach()
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/${folder}/files.cpp.in ${CMAKE_CURRENT_BINARY_DIR}/${folder}_files.cpp @ONLY)
  target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/${folder}_files.cpp)
endfunction()
