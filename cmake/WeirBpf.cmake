# BPF programs of examples and tests: weir_bpf(<target> <file>.bpf.c) gives the target <file>.skel.h, with
# vmlinux.h of the running kernel. WEIR_BPF_MISSING says what lacks; empty: nothing.
set(WEIR_BPF_MISSING)
find_program(WEIR_BPF_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
find_program(WEIR_BPFTOOL bpftool PATHS /usr/sbin /sbin)
find_package(PkgConfig)
if(PkgConfig_FOUND)
  pkg_check_modules(libbpf IMPORTED_TARGET libbpf)
endif()
if(NOT WEIR_BPF_CLANG)
  list(APPEND WEIR_BPF_MISSING clang)
endif()
if(NOT WEIR_BPFTOOL)
  list(APPEND WEIR_BPF_MISSING bpftool)
endif()
if(NOT libbpf_FOUND)
  list(APPEND WEIR_BPF_MISSING libbpf)
endif()
if(NOT EXISTS /sys/kernel/btf/vmlinux)
  list(APPEND WEIR_BPF_MISSING "the kernel's BTF")
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(WEIR_BPF_ARCH arm64)
else()
  set(WEIR_BPF_ARCH x86)
endif()

set(WEIR_BPF_DIR ${PROJECT_BINARY_DIR}/bpf)
if(NOT WEIR_BPF_MISSING AND NOT TARGET weir_vmlinux)
  add_custom_command(OUTPUT ${WEIR_BPF_DIR}/vmlinux.h VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${WEIR_BPF_DIR}
    COMMAND sh -c "${WEIR_BPFTOOL} btf dump file /sys/kernel/btf/vmlinux format c >${WEIR_BPF_DIR}/vmlinux.h")
  add_custom_target(weir_vmlinux DEPENDS ${WEIR_BPF_DIR}/vmlinux.h)
endif()

function(weir_bpf target source)
  cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  cmake_path(GET source STEM name)
  cmake_path(GET source PARENT_PATH folder)
  file(GLOB WEIR_BPF_HEADERS CONFIGURE_DEPENDS ${folder}/${name}.h)
  set(object ${WEIR_BPF_DIR}/${name}.bpf.o)
  set(skeleton ${WEIR_BPF_DIR}/${name}.skel.h)
  add_custom_command(OUTPUT ${skeleton} DEPENDS weir_vmlinux ${source} ${WEIR_BPF_HEADERS} ${PROJECT_SOURCE_DIR}/include/weir/bpf.h
    VERBATIM
    COMMAND ${WEIR_BPF_CLANG} -g -O2 -Wall -target bpf -D__TARGET_ARCH_${WEIR_BPF_ARCH} -I${WEIR_BPF_DIR}
      -I${PROJECT_SOURCE_DIR}/include -I${folder} -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -c ${source} -o ${object}
    COMMAND sh -c "${WEIR_BPFTOOL} gen skeleton ${object} name ${name}_bpf >${skeleton}")
  target_sources(${target} PRIVATE ${skeleton})
  target_include_directories(${target} SYSTEM PRIVATE ${WEIR_BPF_DIR})
  target_link_libraries(${target} PRIVATE PkgConfig::libbpf)
endfunction()
