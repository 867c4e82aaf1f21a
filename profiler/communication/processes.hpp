// profiler/communication/processes.hpp
//
// The processes of a job as one of them sees it: enough to agree on a communicator and to reduce a time. One
// process alone is a job too.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace orrery::profiler {

class Processes {
  public:
    Processes() = default;
    virtual ~Processes() = default;
    Processes(const Processes&) = delete;
    Processes& operator=(const Processes&) = delete;

    [[nodiscard]] virtual int rank() const { return 0; }
    [[nodiscard]] virtual int size() const { return 1; }
    /// The first rank's bytes to all.
    virtual void broadcast(void* /*data*/, std::size_t /*bytes*/) {}
    virtual double maximum(double value) { return value; }
    /// Every rank's text, by rank.
    virtual std::vector<std::string> gather(const std::string& text) { return {text}; }
};

/// The MPI job that this process was started in (mpirun, srun), or itself alone where there is none. Throws
/// MissingCapability when it was started in one and this build has no MPI.
std::unique_ptr<Processes> make_processes();

}  // namespace orrery::profiler
