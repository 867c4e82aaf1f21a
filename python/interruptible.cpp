#include "python/interruptible.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace orrery::python {
namespace {

namespace py = pybind11;

constexpr std::chrono::milliseconds kBetweenSignals{50};
constexpr int kEndedByInterrupt = 130;  ///< 128 + SIGINT, as shells say it

std::atomic<int> running{0};  ///< pieces of work under way, waited for or not

struct Piece {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    std::atomic<bool> abandoned{false};
};

bool wait_a_little(Piece& piece) {
    const py::gil_scoped_release unlocked;
    std::unique_lock lock(piece.mutex);
    return piece.changed.wait_for(lock, kBetweenSignals, [&piece] { return piece.done; });
}

void end_process() {
    if (running.load() == 0) return;
    std::fflush(nullptr);
    std::_Exit(kEndedByInterrupt);
}

}  // namespace

void run_interruptibly(std::function<void(const std::atomic<bool>&)> work) {
    const auto piece = std::make_shared<Piece>();
    ++running;
    try {
        std::thread([piece, work = std::move(work)]() mutable {
            work(piece->abandoned);
            work = nullptr;  // what it owned is gone before anyone goes on
            const std::scoped_lock lock(piece->mutex);
            piece->done = true;
            --running;
            piece->changed.notify_all();
        }).detach();
    } catch (...) {
        --running;
        throw;
    }
    while (!wait_a_little(*piece)) {
        if (PyErr_CheckSignals() != 0) {
            piece->abandoned = true;
            throw py::error_already_set();
        }
    }
}

void end_abandoned_work_with_the_process() {
    Py_AtExit(end_process);
}

}  // namespace orrery::python
