// tests/profiler/thread_transport.hpp
//
// Ranks as threads of one process: what a transport promises (profiler/execute/transport.hpp) without MPI, so
// that a rank's run can be tested everywhere, under sanitizers too.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "profiler/execute/transport.hpp"

namespace orrery::profiler::testing {

/// What the threads share.
struct Exchange {
    struct Operation {
        std::size_t arrived = 0;
        std::uint32_t work = 0;
        bool same = true;
        int senders = 0;
        Meeting meeting;
    };

    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::pair<std::uint32_t, std::uint32_t>, Operation> operations;  ///< [communicator, number]
    std::vector<std::string> parts;
    std::string broadcast;
    int waiting = 0;
    int round = 0;
};

class ThreadTransport final : public Transport {
  public:
    ThreadTransport(Exchange& exchange, int rank, int size) : exchange_(exchange), rank_(rank), size_(size) {}

    [[nodiscard]] int rank() const override { return rank_; }
    [[nodiscard]] int size() const override { return size_; }
    [[nodiscard]] std::string describe() override { return std::to_string(size_) + " threads"; }

    void barrier(double timeout_s) override {
        std::unique_lock lock(exchange_.mutex);
        const int round = exchange_.round;
        if (++exchange_.waiting == size_) {
            exchange_.waiting = 0;
            ++exchange_.round;
            exchange_.changed.notify_all();
            return;
        }
        if (!exchange_.changed.wait_for(lock, std::chrono::duration<double>(timeout_s),
                                        [&] { return exchange_.round != round; })) {
            --exchange_.waiting;
            throw ExperimentError("the other threads did not come");
        }
    }

    void broadcast(std::string& bytes) override {
        if (rank_ == 0) {
            const std::scoped_lock lock(exchange_.mutex);
            exchange_.broadcast = bytes;
        }
        barrier(60);
        {
            const std::scoped_lock lock(exchange_.mutex);
            bytes = exchange_.broadcast;
        }
        barrier(60);
    }

    std::vector<std::string> gather(const std::string& bytes) override {
        {
            const std::scoped_lock lock(exchange_.mutex);
            exchange_.parts.resize(static_cast<std::size_t>(size_));
            exchange_.parts[static_cast<std::size_t>(rank_)] = bytes;
        }
        barrier(60);
        std::vector<std::string> all;
        if (rank_ == 0) all = exchange_.parts;
        barrier(60);
        return all;
    }

    [[nodiscard]] double now() const override {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }

    void use(const sim::Program& program, std::uint64_t /*most_bytes*/) override {
        barrier(60);
        if (rank_ == 0) exchange_.operations.clear();
        barrier(60);
        program_ = &program;
        posted_.assign(program.program_of(sim::RankId(static_cast<std::size_t>(rank_))).streams.size(), {});
        done_.clear();
    }

    void post(std::size_t stream, const Posting& posting) override {
        const std::scoped_lock lock(exchange_.mutex);
        // Steps follow each other: the number of an operation goes on.
        const std::uint32_t operations = program_->communicators[posting.communicator()].operations;
        const std::uint32_t step = done_[posting.communicator.value] / std::max(operations, 1U);
        posted_[stream] = {posting.communicator.value, step * operations + posting.sequence};
        Exchange::Operation& operation = exchange_.operations[posted_[stream]];
        if (operation.arrived++ == 0) {
            operation.work = posting.work_id;
            operation.meeting = {posting.arrival_s, posting.issued_end_s};
        }
        operation.same = operation.same && operation.work == posting.work_id;
        operation.senders += posting.sends ? 1 : 0;
        operation.meeting.met_s = std::max(operation.meeting.met_s, posting.arrival_s);
        operation.meeting.issued_end_s = std::max(operation.meeting.issued_end_s, posting.issued_end_s);
    }

    bool ended(std::size_t stream, Meeting& meeting) override {
        const std::scoped_lock lock(exchange_.mutex);
        const Exchange::Operation& operation = exchange_.operations.at(posted_[stream]);
        if (operation.arrived < program_->communicators[posted_[stream].first].members.size()) return false;
        if (!operation.same) throw ExperimentError("members are not at the same operation");
        ++done_[posted_[stream].first];
        meeting = operation.meeting;
        return true;
    }

    void abort(int /*status*/) override { throw std::logic_error("aborted"); }

  private:
    Exchange& exchange_;
    int rank_;
    int size_;
    const sim::Program* program_ = nullptr;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> posted_;  ///< [stream]
    std::map<std::uint32_t, std::uint32_t> done_;                  ///< operations ended, by communicator
};

}  // namespace orrery::profiler::testing
