// sim/engine/simgrid.cpp
//
// The engine over SimGrid: checks that the program is whole, finds the routes it uses, and runs SimGrid in a
// child process that writes its results into shared memory. A process of its own because SimGrid's engine
// exists once per process and keeps its state to the end; the price is a fork (about a millisecond).
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <string>

#include "core/error.hpp"
#include "core/plugin.hpp"
#include "sim/engine/deadlock.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/packed_program.hpp"
#include "sim/engine/simgrid/actors.hpp"
#include "sim/engine/simgrid_plan.hpp"

namespace orrery::sim {
namespace {

enum class Outcome : std::uint32_t { died, finished, deadlock, failed };

struct Header {
    Outcome outcome = Outcome::died;
    char message[1020] = {};
};

/// Memory shared with the child: header, times, heads of the streams.
class SharedResult {
  public:
    SharedResult(std::uint64_t tasks, std::size_t streams)
        : bytes(sizeof(Header) + 2 * tasks * sizeof(double) + streams * sizeof(std::uint32_t)) {
        memory =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            throw SimulationError(
                fmt::format("engine simgrid: no memory for {} tasks: {}", tasks, strerror(errno)));
        header = new (memory) Header;
        output.start = reinterpret_cast<double*>(header + 1);
        output.end = output.start + tasks;
        output.head = reinterpret_cast<std::uint32_t*>(output.end + tasks);
    }
    SharedResult(const SharedResult&) = delete;
    SharedResult& operator=(const SharedResult&) = delete;
    ~SharedResult() { munmap(memory, bytes); }

    Header* header = nullptr;
    SimgridOutput output;

  private:
    std::size_t bytes;
    void* memory = nullptr;
};

/// First tasks of all streams, in the layout of Progress.
Progress initial_progress(const Program& program) {
    Progress progress;
    progress.stream_begin.push_back(0);
    for (const Rank& rank : program.ranks) {
        const RankProgram& tasks = program.rank_programs[rank.program];
        const std::size_t begin = progress.stream_begin.back();
        progress.stream_begin.push_back(begin + tasks.streams.size());
        progress.head.resize(progress.stream_begin.back(), kNoTask);
        for (std::size_t i = tasks.size(); i-- > 0;)
            progress.head[begin + tasks.stream[i]()] = static_cast<std::uint32_t>(i);
    }
    return progress;
}

template <class Run>
[[noreturn]] void run_child(Header& header, Run run) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        run();
        header.outcome = Outcome::finished;
    } catch (const std::exception& error) {
        std::strncpy(header.message, error.what(), sizeof(header.message) - 1);
        header.outcome = Outcome::failed;
    }
    _exit(0);
}

int wait_for_child(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            throw SimulationError(fmt::format("engine simgrid: waitpid: {}", strerror(errno)));
    return status;
}

const Plugin& simgrid() {
    static const Plugin plugin(
        "orrery_simgrid",
        "this orrery was built without SimGrid: install libsimgrid-dev and build again, "
        "or use the engine replay",
        false);
    return plugin;
}

}  // namespace

Timeline simulate_with_simgrid(const Program& program, const WorkCosts& costs,
                               const topologies::Cluster& cluster, const ForcedCollectives& forced) {
    validate(program);
    if (!simgrid().loaded()) throw MissingCapability(simgrid().why());
    const auto run = simgrid().function<decltype(orrery_simgrid_run)>("orrery_simgrid_run");
    const Network network(cluster);
    const SimgridPlan plan = plan_messages(program, cluster, network, forced);
    const PackedPrograms packed = pack(program, costs);
    Progress progress = initial_progress(program);
    SharedResult shared(program.tasks(), progress.head.size());
    std::copy(progress.head.begin(), progress.head.end(), shared.output.head);

    const pid_t child = fork();
    if (child < 0) throw SimulationError(fmt::format("engine simgrid: fork: {}", strerror(errno)));
    if (child == 0)
        run_child(*shared.header, [&] {
            run({program, costs, packed, plan, shared.output, [&shared] {
                     shared.header->outcome = Outcome::deadlock;
                     _exit(0);
                 }});
        });

    const int status = wait_for_child(child);
    std::copy_n(shared.output.head, progress.head.size(), progress.head.begin());
    switch (shared.header->outcome) {
        case Outcome::deadlock:
            throw explain_deadlock(program, progress);
        case Outcome::failed:
            throw SimulationError(std::string("engine simgrid: ") + shared.header->message);
        case Outcome::died:
            throw SimulationError(
                fmt::format("engine simgrid: SimGrid's process ended early (wait status {})", status));
        case Outcome::finished:
            break;
    }
    Timeline timeline = make_timeline(program.tasks());
    std::copy_n(shared.output.start, program.tasks(), timeline.start.begin());
    std::copy_n(shared.output.end, program.tasks(), timeline.end.begin());
    return timeline;
}

}  // namespace orrery::sim
