# CUDA, where a toolkit is found: liborrery_cuda.so, a module that `orrery profile` and `orrery validate --on cuda` load
# when a GPU is asked for.
# The command itself neither links CUDA nor needs it. cuDNN, CUPTI and NCCL are optional parts of the module.
option(ORRERY_CUDA "Build the GPU profiler where nvcc is found" ON)
set(ORRERY_CUDA_ARCHITECTURES "80-real;90-real;90-virtual" CACHE STRING "GPUs to compile for (CMAKE_CUDA_ARCHITECTURES)")

set(cuda_why "")
if(NOT ORRERY_CUDA)
  set(cuda_why "ORRERY_CUDA is off")
elseif(ORRERY_SANITIZE OR ORRERY_FUZZ)
  set(cuda_why "not with sanitizers")
else()
  find_program(ORRERY_NVCC nvcc HINTS /usr/local/cuda/bin)
  if(NOT ORRERY_NVCC)
    set(cuda_why "nvcc not found: orrery profile exits 3, --device cpu works")
  endif()
endif()

if(NOT cuda_why)
  set(CMAKE_CUDA_COMPILER ${ORRERY_NVCC})
  set(CMAKE_CUDA_ARCHITECTURES ${ORRERY_CUDA_ARCHITECTURES})
  if(CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    set(cuda_why "${ORRERY_NVCC} does not compile")
  else()
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has C++20 from 12.0 on
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    find_package(CUDAToolkit QUIET)
    if(NOT TARGET CUDA::cublasLt OR NOT TARGET CUDA::cudart)
      set(cuda_why "cuBLAS not found beside ${ORRERY_NVCC}")
    endif()
  endif()
endif()

if(cuda_why)
  message(STATUS "Orrery: GPU profiler    OFF (${cuda_why})")
  return()
endif()

file(GLOB cuda_sources CONFIGURE_DEPENDS
     ${CMAKE_SOURCE_DIR}/profiler/kernels/cuda/*.cpp ${CMAKE_SOURCE_DIR}/profiler/kernels/cuda/*.cu
     ${CMAKE_SOURCE_DIR}/profiler/execute/cuda/*.cpp ${CMAKE_SOURCE_DIR}/profiler/execute/cuda/*.cu)
# The few sources of other rooms that it needs are compiled in: the module stands alone.
set(cuda_shared core/error.cpp models/kernel.cpp profiler/kernels/kernel_case.cpp sim/cost/attention_cost.cpp
    profiler/execute/device_operations.cpp)
list(TRANSFORM cuda_shared PREPEND ${CMAKE_SOURCE_DIR}/)
add_library(orrery_cuda MODULE ${cuda_sources} ${cuda_shared})
target_include_directories(orrery_cuda PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(orrery_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fvisibility=default>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wno-missing-field-initializers;-Wno-restrict>)
if(ORRERY_WERROR)
  target_compile_options(orrery_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
target_link_libraries(orrery_cuda PRIVATE CUDA::cudart CUDA::cublasLt CUDA::cublas fmt::fmt Eigen3::Eigen ${CMAKE_DL_LIBS})
target_link_options(orrery_cuda PRIVATE -Wl,-z,defs)

# cuda_part(NAME HEADER LIBRARY): links an optional library and says whether it was there.
set(cuda_parts "")
function(cuda_part name header library)
  find_path(${name}_INCLUDE ${header} HINTS ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_LIBRARY_ROOT}/include
            ${CUDAToolkit_LIBRARY_ROOT}/extras/CUPTI/include)
  find_library(${name}_LIBRARY ${library} HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/extras/CUPTI/lib64)
  if(${name}_INCLUDE AND ${name}_LIBRARY)
    target_compile_definitions(orrery_cuda PRIVATE ORRERY_HAVE_${name})
    target_include_directories(orrery_cuda SYSTEM PRIVATE ${${name}_INCLUDE})
    target_link_libraries(orrery_cuda PRIVATE ${${name}_LIBRARY})
    set(cuda_parts "${cuda_parts}, ${name}" PARENT_SCOPE)
  else()
    set(cuda_parts "${cuda_parts}, no ${name}" PARENT_SCOPE)
  endif()
endfunction()
cuda_part(CUDNN cudnn.h cudnn)
cuda_part(CUPTI cupti.h cupti)
cuda_part(NCCL nccl.h nccl)

# Beside the command, where it looks first, or in lib/orrery of an installation.
set_target_properties(orrery_cuda PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
install(TARGETS orrery_cuda LIBRARY DESTINATION lib/orrery)
message(STATUS "Orrery: GPU profiler    ON (CUDA ${CUDAToolkit_VERSION}${cuda_parts})")
