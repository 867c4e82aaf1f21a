// cli/one_at_a_time.hpp
//
// Work that cannot be interrupted, one piece at a time, each waited for no longer than a limit.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace orrery::cli {

class OneAtATime {
  public:
    using Seconds = std::chrono::seconds;

    /// Runs the work on a thread of its own once no other runs, and returns its result or throws what it
    /// threw. Nothing when its turn does not come within `turn`, or it takes longer than `limit`: it then
    /// goes on until it is done, and no other starts before. The work must own all it uses.
    template <class Result, class Work>
    std::shared_ptr<const Result> run(Work work, Seconds turn, Seconds limit) {
        struct Piece {
            std::shared_ptr<const Result> result;
            std::exception_ptr failed;
            bool done = false;
        };
        const auto piece = std::make_shared<Piece>();
        std::unique_lock lock(state_->mutex);
        if (!state_->changed.wait_for(lock, turn, [&] { return !state_->busy; })) return nullptr;
        state_->busy = true;
        try {
            std::thread([piece, state = state_, work = std::move(work)] {
                std::shared_ptr<const Result> result;
                std::exception_ptr failed;
                try {
                    result = std::make_shared<const Result>(work());
                } catch (...) {
                    failed = std::current_exception();
                }
                const std::scoped_lock done(state->mutex);
                piece->result = std::move(result);
                piece->failed = failed;
                piece->done = true;
                state->busy = false;
                state->changed.notify_all();
            }).detach();
        } catch (...) {
            state_->busy = false;
            throw;
        }
        if (!state_->changed.wait_for(lock, limit, [&] { return piece->done; })) return nullptr;
        if (piece->failed) std::rethrow_exception(piece->failed);
        return piece->result;
    }

    [[nodiscard]] bool busy() const {
        const std::scoped_lock lock(state_->mutex);
        return state_->busy;
    }

  private:
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        bool busy = false;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();  ///< outlived by what still runs
};

}  // namespace orrery::cli
