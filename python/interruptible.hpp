// python/interruptible.hpp
//
// Long work behind a Python call: without the interpreter's lock, so that other Python threads run, and so
// that Ctrl-C ends the call.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace orrery::python {

/// Runs the work on a thread of its own and waits for it, releasing the interpreter's lock. A signal whose
/// Python handler raises (Ctrl-C) ends the wait with that exception; the work then sees `abandoned` set, and
/// where it does not look it goes on behind until it is done. The work must own all it uses and touch no
/// Python object.
void run_interruptibly(std::function<void(const std::atomic<bool>& abandoned)> work);

/// The same for work with a result. What the work throws is thrown here.
template <class Work>
auto interruptibly(Work work) {
    using Result = decltype(work(std::declval<const std::atomic<bool>&>()));
    struct Outcome {
        std::optional<Result> result;
        std::exception_ptr failed;
    };
    const auto outcome = std::make_shared<Outcome>();
    run_interruptibly([outcome, work = std::move(work)](const std::atomic<bool>& abandoned) mutable {
        try {
            outcome->result.emplace(work(abandoned));
        } catch (...) {
            outcome->failed = std::current_exception();
        }
    });
    if (outcome->failed) std::rethrow_exception(outcome->failed);
    return *std::move(outcome->result);
}

/// To be called once, when the module is loaded. Where abandoned work still runs when the interpreter has
/// ended, the process ends at once, with status 130 as after Ctrl-C, rather than pulling the ground from
/// under it.
void end_abandoned_work_with_the_process();

}  // namespace orrery::python
