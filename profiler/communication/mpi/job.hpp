// profiler/communication/mpi/job.hpp
//
// MPI of this process, as the parts of liborrery_mpi.so share it.
#pragma once

#include <mpi.h>

#include <array>
#include <string>

#include "core/error.hpp"

namespace orrery::profiler {

inline void check_mpi(int status, const char* call) {
    if (status == MPI_SUCCESS) return;
    std::array<char, MPI_MAX_ERROR_STRING> text{};
    int length = 0;
    (void)MPI_Error_string(status, text.data(), &length);
    throw ExperimentError(std::string(call) + ": " +
                          std::string(text.data(), static_cast<std::size_t>(length)));
}
#define ORRERY_MPI(call) ::orrery::profiler::check_mpi((call), #call)

/// Initialised once a process; finished when the library is unloaded at exit.
class MpiJob {
  public:
    MpiJob() {
        int already = 0;
        ORRERY_MPI(MPI_Initialized(&already));
        if (already == 0) {
            int provided = 0;
            ORRERY_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
            ours_ = true;
        }
        ORRERY_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
        ORRERY_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank));
        ORRERY_MPI(MPI_Comm_size(MPI_COMM_WORLD, &size));
    }
    ~MpiJob() {
        int finished = 0;
        (void)MPI_Finalized(&finished);
        if (ours_ && finished == 0) (void)MPI_Finalize();
    }
    MpiJob(const MpiJob&) = delete;
    MpiJob& operator=(const MpiJob&) = delete;

    int rank = 0;
    int size = 1;

  private:
    bool ours_ = false;
};

/// The one of this process.
inline MpiJob& mpi_job() {
    static MpiJob one;
    return one;
}

}  // namespace orrery::profiler
