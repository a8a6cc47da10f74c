if(FAIRLEAD_SANITIZE)
  add_compile_options(-fsanitize=${FAIRLEAD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(FAIRLEAD_SANITIZE MATCHES undefined)
    # UBSan's check of classes opens a pipe where it first meets one, and calls an object bad where descriptors are out,
    # which tests see to. Inline functions are anybody's: so for all modules.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  add_link_options(-fsanitize=${FAIRLEAD_SANITIZE})
  # Compilers name what they sanitize differently. The library checks indices too: ASan sees only those beyond what is allocated.
  add_compile_definitions(FAIRLEAD_SANITIZED _GLIBCXX_ASSERTIONS)
endif()
if(FAIRLEAD_FUZZ)
  # Coverage of all of our code steers the fuzzers; -O1 keeps the sanitized standard library quick to compile and link.
  add_compile_options(-fsanitize=fuzzer-no-link -O1)
endif()
