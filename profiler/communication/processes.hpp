// profiler/communication/processes.hpp
//
// The processes of a job as one of them sees it: enough to agree on a communicator, to reduce a time and to
// hand out work. One process alone is a job too.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
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
    /// Of them, those on this host.
    [[nodiscard]] virtual int neighbours() { return 1; }
    /// The first rank's bytes to all.
    virtual void broadcast(void* /*data*/, std::size_t /*bytes*/) {}
    virtual double maximum(double value) { return value; }
    /// Every rank's text, by rank.
    virtual std::vector<std::string> gather(const std::string& text) { return {text}; }

    struct Letter {
        int from = 0;
        std::string bytes;
    };
    /// To another rank; returns when the bytes may be forgotten. Only from the thread that made this.
    virtual void send(int /*to*/, const std::string& /*bytes*/) {}
    /// A letter that has come, from any rank, if there is one. Letters of one rank keep their order.
    virtual std::optional<Letter> poll() { return std::nullopt; }
    /// Ends all of them.
    virtual void abort() {}
};

/// The MPI job that this process was started in (mpirun, srun), or itself alone where there is none. Throws
/// MissingCapability when it was started in one and this build has no MPI.
std::unique_ptr<Processes> make_processes();

}  // namespace orrery::profiler
