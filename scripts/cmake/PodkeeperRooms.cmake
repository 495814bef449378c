# How this tree is compiled, said once: flags for every target, and the functions that make one.

add_library(podkeeper_flags INTERFACE)
# Frame pointers make the stack at a throw site nearly free to take. Where a task was started is
# told by a path within the tree, not by one of the machine that built it.
target_compile_options(podkeeper_flags INTERFACE -Wall -Wextra -fno-omit-frame-pointer
  -fmacro-prefix-map=../../=)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(podkeeper_flags INTERFACE
    -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wthread-safety -Werror)
  target_link_options(podkeeper_flags INTERFACE -fuse-ld=lld)
else()
  # Clang's warnings are the ones that fail a build; g++ shows that the tree is C++, not clang's.
  target_compile_options(podkeeper_flags INTERFACE -Wno-unknown-pragmas)
endif()
target_compile_definitions(podkeeper_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE PK_VERSION="${PROJECT_VERSION}")
target_include_directories(podkeeper_flags INTERFACE ${CMAKE_SOURCE_DIR})

if(PK_SANITIZE STREQUAL "address")
  set(pk_sanitizer -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(PK_SANITIZE STREQUAL "thread")
  set(pk_sanitizer -fsanitize=thread)
elseif(PK_SANITIZE STREQUAL "fuzzer")
  set(pk_sanitizer -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_compile_options(podkeeper_flags INTERFACE -fsanitize=fuzzer-no-link)
elseif(NOT PK_SANITIZE STREQUAL "")
  message(FATAL_ERROR
    "PK_SANITIZE is '${PK_SANITIZE}': use address, thread, fuzzer, or leave it empty")
endif()
if(pk_sanitizer)
  target_compile_options(podkeeper_flags INTERFACE ${pk_sanitizer})
  target_link_options(podkeeper_flags INTERFACE ${pk_sanitizer})
endif()

# pk_room(NAME [DEPS room...] [LIBS target...]): pkg/NAME as one static library. DEPS are rooms on
# lower floors (tests/tidy checks each #include against the floor table); LIBS come from outside.
function(pk_room name)
  cmake_parse_arguments(room "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/pkg/${name}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/pkg/${name}/*.h)
  list(TRANSFORM room_DEPS PREPEND pk_)
  add_library(pk_${name} STATIC ${sources})
  target_sources(pk_${name} PUBLIC
    FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${headers})
  target_link_libraries(pk_${name} PUBLIC podkeeper_flags ${room_DEPS} ${room_LIBS})
  set_property(TARGET pk_${name} PROPERTY VERIFY_INTERFACE_HEADER_SETS ON)
  set_property(GLOBAL APPEND PROPERTY PK_ROOM_TARGETS pk_${name})
endfunction()

# Where tests, proofs and benchmarks find the tree's files and the programs that were built.
function(pk_knows_the_tree target)
  target_compile_definitions(${target} PRIVATE
    PK_SOURCE_DIR="${CMAKE_SOURCE_DIR}" PK_BINARY_DIR="${CMAKE_BINARY_DIR}")
endfunction()

# pk_test(NAME [DEPS room...] [LIBS target...]): every tests/NAME/*_test.cc in one program,
# NAME_test.
function(pk_test name)
  cmake_parse_arguments(test "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/support/*.cc)
  list(TRANSFORM test_DEPS PREPEND pk_)
  add_executable(${name}_test ${sources} ${support})
  target_link_libraries(${name}_test PRIVATE
    ${test_DEPS} ${test_LIBS} GTest::gmock GTest::gtest_main)
  pk_knows_the_tree(${name}_test)
  gtest_discover_tests(${name}_test
    DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${name} TIMEOUT 300)
endfunction()

# pk_proof(NAME [PROGRAMS] [DEPS room...]): tests/proofs/NAME_proof.cc as prove_NAME, built only
# when asked for (scripts/prove). PROGRAMS: it starts podkeeperd and simkube, built with it.
function(pk_proof name)
  cmake_parse_arguments(proof "PROGRAMS" "" "DEPS" ${ARGN})
  list(TRANSFORM proof_DEPS PREPEND pk_)
  add_executable(prove_${name} EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/proofs/${name}_proof.cc)
  target_link_libraries(prove_${name} PRIVATE proofs_support ${proof_DEPS})
  if(proof_PROGRAMS)
    add_dependencies(prove_${name} podkeeperd simkube)
  endif()
endfunction()

# pk_bench(NAME [DEPS room...] [LIBS target...]): tests/bench/NAME_bench.cc as bench_NAME, likewise
# (scripts/bench).
function(pk_bench name)
  cmake_parse_arguments(bench "" "" "DEPS;LIBS" ${ARGN})
  list(TRANSFORM bench_DEPS PREPEND pk_)
  add_executable(bench_${name} EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/bench/${name}_bench.cc)
  target_link_libraries(bench_${name} PRIVATE ${bench_DEPS} ${bench_LIBS})
  pk_knows_the_tree(bench_${name})
endfunction()
