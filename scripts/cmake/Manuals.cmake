# What fairctl prints of itself: its manual pages and the completion of shells. Run by `cmake --install` with FAIRCTL, its
# path; WORK, a folder to write in; and the folders MAN and DATA below the prefix. Nothing is installed where fairctl was
# not built.
if(NOT EXISTS "${FAIRCTL}")
  return()
endif()

function(install_answer folder name)
  execute_process(COMMAND "${FAIRCTL}" ${ARGN} OUTPUT_FILE "${WORK}/${name}" COMMAND_ERROR_IS_FATAL ANY)
  file(INSTALL "${WORK}/${name}" DESTINATION "${CMAKE_INSTALL_PREFIX}/${folder}")
endfunction()

file(MAKE_DIRECTORY "${WORK}")
install_answer("${MAN}/man1" fairctl.1 manual)
file(READ "${WORK}/fairctl.1" page)
string(REGEX MATCHALL "fairctl[\\]-[a-z]+ \\(1\\)" commands "${page}")
foreach(command IN LISTS commands)
  string(REGEX REPLACE "fairctl[\\]-([a-z]+) .*" "\\1" command "${command}")
  install_answer("${MAN}/man1" "fairctl-${command}.1" manual ${command})
endforeach()
install_answer("${DATA}/bash-completion/completions" fairctl completion bash)
install_answer("${DATA}/zsh/vendor-completions" _fairctl completion zsh)
install_answer("${DATA}/fish/vendor_completions.d" fairctl.fish completion fish)
