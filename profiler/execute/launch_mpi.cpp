#include "profiler/execute/launch_mpi.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "core/error.hpp"

namespace orrery::profiler {
namespace {

namespace fs = std::filesystem;

constexpr std::array kEnding{SIGINT, SIGTERM, SIGHUP};
constexpr auto kLook = std::chrono::milliseconds(5);
constexpr auto kGrace = std::chrono::seconds(5);  ///< for mpirun to end its processes

volatile std::sig_atomic_t ending_signal = 0;
void note_signal(int signal) {
    ending_signal = signal;
}

/// While it lives, signals that end this process are noted; afterwards the one noted takes effect.
class DeferredSignals {
  public:
    DeferredSignals() {
        ending_signal = 0;
        struct sigaction note {};
        note.sa_handler = note_signal;
        for (std::size_t i = 0; i < kEnding.size(); ++i) {
            (void)sigaction(kEnding[i], nullptr, &before_[i]);
            if (before_[i].sa_handler != SIG_IGN) (void)sigaction(kEnding[i], &note, nullptr);
        }
    }
    ~DeferredSignals() {
        for (std::size_t i = 0; i < kEnding.size(); ++i) (void)sigaction(kEnding[i], &before_[i], nullptr);
    }
    DeferredSignals(const DeferredSignals&) = delete;
    DeferredSignals& operator=(const DeferredSignals&) = delete;

  private:
    std::array<struct sigaction, kEnding.size()> before_{};
};

std::string path_of_mpirun() {
    const char* path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
    std::string folder;
    while (std::getline(folders, folder, ':')) {
        std::string file = (folder.empty() ? "." : folder) + "/mpirun";
        if (::access(file.c_str(), X_OK) == 0) return file;
    }
    throw MissingCapability("there is no mpirun in PATH (Debian: openmpi-bin): ranks cannot be started");
}

/// Everything stays on this host: shared memory, by copies that need no privilege of tracing. What the user's
/// environment says of these goes before. (Nothing here may name the variable `environ`: the executable would
/// get a copy of its own, and MPI, bound deeply, would see another than libc.)
std::vector<std::string> parameters() {
    constexpr std::array<std::pair<const char*, const char*>, 4> kDefaults{
        {{"pml", "ob1"},
         {"btl", "self,vader"},
         {"btl_vader_single_copy_mechanism", "none"},
         {"mpi_yield_when_idle", "1"}}};
    std::vector<std::string> arguments;
    for (const auto& [name, value] : kDefaults) {
        if (std::getenv((std::string("OMPI_MCA_") + name).c_str()) != nullptr) continue;
        arguments.insert(arguments.end(), {"--mca", name, value});
    }
    return arguments;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

pid_t start(std::vector<std::string> arguments, const std::string& log) {
    const std::vector<char*> argv = pointers(arguments);
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {  // only calls that are safe between fork and exec
        (void)::setpgid(0, 0);
        (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != parent) ::_exit(127);
        (void)::dup2(nothing, 0);
        (void)::dup2(out, 1);
        (void)::dup2(out, 2);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    if (nothing >= 0) (void)::close(nothing);
    if (out >= 0) (void)::close(out);
    if (child < 0) throw ExperimentError(std::string("cannot start mpirun: ") + std::strerror(errno));
    return child;
}

/// Its exit status once it has ended; 128 + signal if one ended it.
bool has_ended(pid_t child, int& status) {
    int raw = 0;
    const pid_t got = ::waitpid(child, &raw, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    status = got < 0 ? 1 : WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return true;
}

int end_job(pid_t child) {
    int status = 0;
    (void)::kill(child, SIGTERM);
    const auto begin = std::chrono::steady_clock::now();
    while (!has_ended(child, status)) {
        if (std::chrono::steady_clock::now() - begin > kGrace) {
            (void)::kill(-child, SIGKILL);  // processes of ranks end with mpirun
            (void)::waitpid(child, nullptr, 0);
            return 128 + SIGKILL;
        }
        std::this_thread::sleep_for(kLook);
    }
    return status;
}

std::string text_of(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

}  // namespace

JobEnd run_mpi_job(int processes, const std::vector<std::string>& command, const std::string& log) {
    std::vector<std::string> arguments{path_of_mpirun(), "--oversubscribe", "--bind-to", "none"};
    if (::geteuid() == 0) arguments.emplace_back("--allow-run-as-root");
    const std::vector<std::string> tuned = parameters();
    arguments.insert(arguments.end(), tuned.begin(), tuned.end());
    arguments.insert(arguments.end(), {"-n", std::to_string(processes)});
    arguments.insert(arguments.end(), command.begin(), command.end());

    JobEnd end;
    int signal = 0;
    {
        const DeferredSignals deferred;
        const pid_t child = start(std::move(arguments), log);
        while (!has_ended(child, end.status)) {
            if (ending_signal != 0) {
                signal = ending_signal;
                end.status = end_job(child);
                break;
            }
            std::this_thread::sleep_for(kLook);
        }
    }
    if (signal != 0) {
        std::error_code ignored;
        fs::remove_all(fs::path(log).parent_path(), ignored);
        (void)std::raise(signal);
    }
    end.output = text_of(log);
    return end;
}

}  // namespace orrery::profiler
