// The executor `mpi`: finds out whether this process is in a job or starts one, and carries job and result
// between the processes.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <regex>
#include <thread>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/plugin.hpp"
#include "profiler/execute/execution.hpp"
#include "profiler/execute/launch_mpi.hpp"
#include "profiler/execute/rank_process.hpp"

namespace orrery::profiler {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{64} << 30U;
/// A stuck rank waits so long for the others to say what they are stuck in.
constexpr double kStuckGrace = 1.0;

const Plugin& module() {
    static const Plugin plugin(
        "orrery_mpi", "this build of Orrery has no MPI (libopenmpi-dev was not found when it was configured)",
        true);
    if (!plugin.loaded()) throw MissingCapability(plugin.why());
    return plugin;
}

/// The job's, made once a process.
Transport& transport() {
    static const std::unique_ptr<Transport> one(module().function<Transport*()>("orrery_mpi_transport")());
    return *one;
}

/// A folder for one job's files, removed with it.
class JobFolder {
  public:
    JobFolder() {
        std::string name = (fs::temp_directory_path() / "orrery-execute-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw ExperimentError("cannot make the folder " + name);
        path_ = name;
    }
    ~JobFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    JobFolder(const JobFolder&) = delete;
    JobFolder& operator=(const JobFolder&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

std::string error_file(const std::string& folder, int rank) {
    return fmt::format("{}/rank-{}.error", folder, rank);
}

/// What the ranks wrote of their end: all of them, or nothing.
std::string written_errors(const JobFolder& folder, int ranks) {
    constexpr int kMostShown = 8;
    std::string text;
    int shown = 0;
    for (int rank = 0; rank < ranks; ++rank) {
        const std::string file = error_file(folder.path().string(), rank);
        if (!fs::exists(file)) continue;
        if (shown++ == kMostShown) return text + "\n...";
        const std::string message = read_file(file, 1U << 20U);
        if (text.find(message) != std::string::npos) continue;  // all ranks say the same
        text += (text.empty() ? "" : "\n") + message;
    }
    return text;
}

/// Of what mpirun printed: which rank died and how, else its last line.
std::string cause_of(const JobEnd& end) {
    static const std::regex died(
        R"(process rank (\d+) with PID \d+ on node (\S+) exited on\s+(signal [^.]+))");
    std::string flat = end.output;
    std::replace(flat.begin(), flat.end(), '\n', ' ');
    std::smatch match;
    if (std::regex_search(flat, match, died))
        return fmt::format("rank {} died ({}) on {}", match[1].str(), match[3].str(), match[2].str());
    std::string last;
    std::size_t begin = 0;
    while (begin < end.output.size()) {
        const std::size_t until = std::min(end.output.find('\n', begin), end.output.size());
        const std::string line = end.output.substr(begin, until - begin);
        if (line.find_first_not_of("- \t") != std::string::npos) last = line;
        begin = until + 1;
    }
    return fmt::format("mpirun ended with status {}{}", end.status, last.empty() ? "" : ": " + last);
}

Execution execute_in_new_job(const Job& job, const std::vector<std::string>& rank_command) {
    (void)module();
    const int ranks = ranks_of(job.runs);
    const JobFolder folder;
    write_file_atomically(folder.file("job"), to_bytes(job));
    std::vector<std::string> command = rank_command;
    command.push_back(folder.path().string());
    const JobEnd end = run_mpi_job(ranks, command, folder.file("log"));
    const bool whole = end.status == 0 && fs::exists(folder.file("result"));
    if (whole) return execution_from(read_file(folder.file("result"), kMostBytes));
    const std::string errors = written_errors(folder, ranks);
    throw ExperimentError("the execution broke off: " + (errors.empty() ? cause_of(end) : errors));
}

[[noreturn]] void end_job_with(const std::string& message) {
    fmt::print(stderr, "orrery: error: the execution broke off: {}\n", message);
    std::fflush(stderr);
    std::this_thread::sleep_for(std::chrono::duration<double>(kStuckGrace));
    transport().abort(1);
    std::_Exit(1);
}

Execution execute_in_this_job(const Job& job) {
    try {
        return execute_rank(job, transport());
    } catch (const std::exception& error) {
        end_job_with(error.what());
    }
}

}  // namespace

bool in_mpi_job() {
    constexpr std::array kNames{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_ID"};
    return std::any_of(kNames.begin(), kNames.end(),
                       [](const char* name) { return std::getenv(name) != nullptr; });
}

bool first_of_mpi_job() {
    return !in_mpi_job() || transport().rank() == 0;
}

void join_mpi_job() {
    while (true) {
        std::string bytes;
        transport().broadcast(bytes);
        if (bytes.empty()) return;
        (void)execute_in_this_job(job_from(bytes));
    }
}

void dismiss_mpi_job() {
    std::string nothing;
    if (in_mpi_job() && transport().size() > 1) transport().broadcast(nothing);
}

Execution execute_with_mpi(const std::vector<PlannedRun>& runs, const ExecuteOptions& options,
                           const std::vector<std::string>& rank_command) {
    const Job job{runs, options};
    if (!in_mpi_job()) return execute_in_new_job(job, rank_command);
    const int ranks = ranks_of(job.runs);
    if (transport().size() != ranks)
        throw ExperimentError(
            fmt::format("the plan has {} ranks, this job {} processes: start it as mpirun -n {}", ranks,
                        transport().size(), ranks));
    std::string bytes = to_bytes(job);
    transport().broadcast(bytes);
    return execute_in_this_job(job);
}

int run_rank(const std::string& folder) {
    // mpirun ends its processes; where it is killed itself, they end too.
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!in_mpi_job()) throw InputError({}, "", "execute-rank is started by orrery validate --on mpi");
    Transport& all = transport();
    try {
        const Job job = job_from(read_file(folder + "/job", kMostBytes));
        const Execution execution = execute_rank(job, all);
        if (all.rank() == 0) write_file_atomically(folder + "/result", to_bytes(execution));
        return 0;
    } catch (const std::exception& error) {
        write_file_atomically(error_file(folder, all.rank()), error.what());
        std::this_thread::sleep_for(std::chrono::duration<double>(kStuckGrace));
        all.abort(1);
        return 1;
    }
}

}  // namespace orrery::profiler
