#include "cli/exit_status.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>
#include <system_error>

#include "core/error.hpp"

namespace orrery::cli {
namespace {

int complain(int status, const char* message) {
    std::fflush(stdout);
    fmt::print(stderr, "orrery: error: {}\n", message);
    return status;
}

int status_of(const std::function<int()>& work) {
    try {
        return work();
    } catch (const InputError& error) {
        return complain(kBadInput, error.what());
    } catch (const ExperimentError& error) {
        return complain(kCannotRun, error.what());
    } catch (const SimulationError& error) {
        return complain(kCannotRun, error.what());
    } catch (const MissingCapability& error) {
        return complain(kLacking, error.what());
    } catch (const std::bad_alloc&) {
        return complain(kCannotRun, "out of memory: fold identical ranks, or take a coarser granularity");
    } catch (const std::system_error& error) {
        // What fmt throws when a full buffer cannot be written.
        if (std::ferror(stdout) != 0) return complain(kCannotRun, "cannot write to standard output");
        fmt::print(stderr, "orrery: this is a defect of Orrery, please report it: {}\n", error.what());
        return kDefect;
    } catch (const std::exception& error) {
        fmt::print(stderr, "orrery: this is a defect of Orrery, please report it: {}\n", error.what());
        return kDefect;
    }
}

}  // namespace

int exit_status_of(const std::function<int()>& work) {
    const int status = status_of(work);
    const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
    if (lost && status == kDone) return complain(kCannotRun, "cannot write to standard output");
    return status;
}

}  // namespace orrery::cli
