# One library of weir's in both forms, with its install rules: weir_library(<target> COMPONENT <name> SOURCES <file>...
# HEADERS <file>... [NEEDS <component>] [PRIVATE_NEEDS <imported target>...] [PC_PRIVATE <flag>...])
#
# <target> is shared, <target>_static an archive; outside they are weir::<component> and weir::<component>_static. The file
# and the .pc have the target's name, with - for _; the version script and the .pc's template lie in the calling folder and
# in cmake/. Where only archives are built, weir::<component> is the archive.

# The house's warnings, and nothing global: a target's own flags only.
function(weir_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes> $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>)
  set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden)
endfunction()

# lld lays segments over one page of the file, where the kernel then takes one probe's semaphore for other data.
execute_process(COMMAND ${CMAKE_C_COMPILER} ${CMAKE_SHARED_LINKER_FLAGS} -Wl,--version OUTPUT_VARIABLE weir_linker ERROR_QUIET)
set(weir_apart)
if(weir_linker MATCHES LLD)
  set(weir_apart -Wl,-z,separate-loadable-segments)
endif()

function(weir_library target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "COMPONENT;NEEDS" "SOURCES;HEADERS;PRIVATE_NEEDS;PC_PRIVATE")
  string(REPLACE "_" "-" output ${target})
  set(map ${CMAKE_CURRENT_SOURCE_DIR}/${output}.map)
  set(built)

  if(BUILD_SHARED_LIBS OR NOT DEFINED BUILD_SHARED_LIBS)
    list(APPEND built ${target})
    add_library(${target} SHARED ${arg_SOURCES})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${output} EXPORT_NAME ${arg_COMPONENT} LINK_DEPENDS ${map}
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    target_compile_definitions(${target} PRIVATE WEIR_BUILDING_SHARED_)
    # functions call each other straight, not through the tables of what may be another's; data, weir_tls_v1 that is, may be
    target_link_options(${target} PRIVATE -Wl,--version-script=${map} -Wl,-Bsymbolic-functions -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro
      -Wl,-z,noseparate-code -Wl,--hash-style=gnu -Wl,--gc-sections -Wl,--as-needed -static-libgcc ${weir_apart})
    add_library(weir::${arg_COMPONENT} ALIAS ${target})
  endif()
  if(NOT BUILD_SHARED_LIBS)
    list(APPEND built ${target}_static)
    add_library(${target}_static STATIC ${arg_SOURCES})
    set_target_properties(${target}_static PROPERTIES OUTPUT_NAME ${output} EXPORT_NAME ${arg_COMPONENT}_static
      POSITION_INDEPENDENT_CODE ON)
    add_library(weir::${arg_COMPONENT}_static ALIAS ${target}_static)
    if(NOT TARGET ${target})
      add_library(weir::${arg_COMPONENT} ALIAS ${target}_static)
    endif()
  endif()

  foreach(form IN LISTS built)
    string(REGEX MATCH "_static$" static ${form})
    weir_warnings(${form})
    target_compile_definitions(${form} PRIVATE WEIR_NO_MODULE_)
    target_compile_options(${form} PRIVATE -ffunction-sections -fdata-sections -ftls-model=initial-exec) # gcc takes a declaration's only where it is no definition
    target_include_directories(${form} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    if(arg_NEEDS)
      target_link_libraries(${form} PUBLIC weir::${arg_NEEDS}${static})
    endif()
    target_link_libraries(${form} PRIVATE ${arg_PRIVATE_NEEDS})
  endforeach()

  if(WEIR_INSTALL)
    install(TARGETS ${built} EXPORT ${arg_COMPONENT})
    install(EXPORT ${arg_COMPONENT} NAMESPACE weir:: FILE weir-${arg_COMPONENT}.cmake
      DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
    foreach(header IN LISTS arg_HEADERS)
      cmake_path(GET header PARENT_PATH folder)
      install(FILES ${PROJECT_SOURCE_DIR}/include/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder})
    endforeach()

    # Relocatable: paths are relative to the .pc, but where the packager gave an absolute one.
    cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
      OUTPUT_VARIABLE pc_prefix)
    foreach(dir LIBDIR INCLUDEDIR)
      set(pc_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
      if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
        set(pc_${dir} ${CMAKE_INSTALL_FULL_${dir}})
      endif()
    endforeach()
    list(JOIN arg_PC_PRIVATE " " pc_private)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${output}.pc.in ${PROJECT_BINARY_DIR}/${output}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${output}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  endif()
endfunction()
