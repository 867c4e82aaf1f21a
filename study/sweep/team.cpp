#include "study/sweep/team.hpp"

#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "profiler/communication/processes.hpp"

namespace orrery::study {
namespace {

class Threads final : public Team {
  public:
    explicit Threads(int jobs) : arena_(jobs > 0 ? jobs : tbb::task_arena::automatic) {}

    [[nodiscard]] int rank() const override { return 0; }
    [[nodiscard]] int size() const override { return 1; }

    std::vector<std::string> map(std::size_t tasks, const Task& task, const Finished& finished) override {
        std::vector<std::string> texts(tasks);
        std::mutex mutex;
        arena_.execute([&] {
            tbb::parallel_for(
                std::size_t{0}, tasks,
                [&](std::size_t i) {
                    texts[i] = task(i);
                    const std::scoped_lock lock(mutex);
                    finished(texts[i]);
                },
                tbb::simple_partitioner());
        });
        return texts;
    }

    std::string decide(const std::function<std::string()>& make) override { return make(); }
    [[noreturn]] void abandon() override { std::_Exit(EXIT_FAILURE); }

  private:
    tbb::task_arena arena_;
};

/// A share of a map's tasks and what came of it.
struct Batch {
    std::vector<std::pair<std::size_t, std::string>> texts;
    std::string error;  ///< of the task that threw, if one did

    [[nodiscard]] std::string packed() const {
        Packet packet;
        packet.put_text(error);
        for (const auto& [task, text] : texts) {
            packet.put(task);
            packet.put_text(text);
        }
        return packet.bytes();
    }
    static Batch unpacked(std::string bytes) {
        Packet packet(std::move(bytes));
        Batch batch;
        batch.error = packet.take_text();
        while (!packet.empty()) {
            const auto task = packet.take<std::size_t>();
            batch.texts.emplace_back(task, packet.take_text());
        }
        return batch;
    }
};

/// The first process hands out tasks and takes part itself, in a thread of its own, since only the main
/// thread may speak MPI. The others ask for a share, work, and bring the results when they ask again.
class Job final : public Team {
  public:
    Job(std::unique_ptr<profiler::Processes> processes, int jobs)
        : processes_(std::move(processes)), threads_(jobs), arena_(jobs) {}

    [[nodiscard]] int rank() const override { return processes_->rank(); }
    [[nodiscard]] int size() const override { return processes_->size(); }

    std::vector<std::string> map(std::size_t tasks, const Task& task, const Finished& finished) override {
        return first() ? Hand(*this, tasks, task, finished).run() : work(tasks, task);
    }

    std::string decide(const std::function<std::string()>& make) override {
        if (!first()) {
            Packet packet(receive());
            if (packet.take<char>() != 0) throw ElsewhereError{};
            return packet.take_text();
        }
        Packet packet;
        try {
            std::string text = make();
            packet.put(char{0});
            packet.put_text(text);
            tell_all(packet.bytes());
            return text;
        } catch (...) {
            packet.put(char{1});
            tell_all(packet.bytes());
            throw;
        }
    }

    [[noreturn]] void abandon() override {
        processes_->abort();
        std::_Exit(EXIT_FAILURE);
    }

  private:
    static constexpr auto kPause = std::chrono::microseconds(100);

    /// A map in the first process.
    class Hand {
      public:
        Hand(Job& job, std::size_t tasks, const Task& task, const Finished& finished)
            : job_(job), task_(task), finished_(finished), texts_(tasks) {}

        std::vector<std::string> run() {
            bool worked = false;
            std::thread own([&] {
                while (const auto share = next()) take(job_.run_share(*share, task_, &thrown_));
                const std::scoped_lock lock(mutex_);
                worked = true;
            });
            for (int working = job_.size() - 1; working > 0;) {
                auto letter = job_.processes_->poll();
                if (!letter) {
                    std::this_thread::sleep_for(kPause);
                    continue;
                }
                take(Batch::unpacked(std::move(letter->bytes)));
                const auto share = next();
                Packet answer;
                answer.put(share ? share->first : std::size_t{0});
                answer.put(share ? share->second : std::size_t{0});
                job_.processes_->send(letter->from, answer.bytes());
                if (!share) --working;
            }
            own.join();
            return outcome();
        }

      private:
        std::optional<std::pair<std::size_t, std::size_t>> next() {
            const std::scoped_lock lock(mutex_);
            if (next_ >= texts_.size() || !error_.empty()) return std::nullopt;
            const std::size_t begin = next_;
            next_ = std::min(texts_.size(), begin + static_cast<std::size_t>(job_.threads_));
            return std::pair(begin, next_);
        }

        void take(Batch batch) {
            const std::scoped_lock lock(mutex_);
            if (error_.empty()) error_ = batch.error;
            for (auto& [task, text] : batch.texts) {
                finished_(text);
                texts_[task] = std::move(text);
            }
        }

        std::vector<std::string> outcome() {
            Packet packet;
            packet.put_text(error_);
            for (const std::string& text : texts_) packet.put_text(text);
            job_.tell_all(packet.bytes());
            if (thrown_) std::rethrow_exception(thrown_);
            if (!error_.empty()) throw ExperimentError(error_);
            return std::move(texts_);
        }

        Job& job_;
        const Task& task_;
        const Finished& finished_;
        std::vector<std::string> texts_;
        std::size_t next_ = 0;
        std::string error_;
        std::exception_ptr thrown_;  ///< by a task of this process
        std::mutex mutex_;
    };

    std::vector<std::string> work(std::size_t tasks, const Task& task) {
        Batch batch;
        while (true) {
            processes_->send(0, batch.packed());
            Packet answer(receive());
            const auto begin = answer.take<std::size_t>();
            const auto end = answer.take<std::size_t>();
            if (begin == end) break;
            batch = run_share({begin, end}, task, nullptr);
        }
        Packet outcome(receive());
        if (!outcome.take_text().empty()) throw ElsewhereError{};
        std::vector<std::string> texts(tasks);
        for (std::string& text : texts) text = outcome.take_text();
        return texts;
    }

    Batch run_share(std::pair<std::size_t, std::size_t> share, const Task& task, std::exception_ptr* thrown) {
        Batch batch;
        std::mutex mutex;
        try {
            arena_.execute([&] {
                tbb::parallel_for(
                    share.first, share.second,
                    [&](std::size_t i) {
                        std::string text = task(i);
                        const std::scoped_lock lock(mutex);
                        batch.texts.emplace_back(i, std::move(text));
                    },
                    tbb::simple_partitioner());
            });
        } catch (const std::exception& error) {
            batch.error = *error.what() == '\0' ? "a task failed" : error.what();
            if (thrown != nullptr) *thrown = std::current_exception();
        }
        return batch;
    }

    void tell_all(const std::string& bytes) {
        for (int to = 1; to < size(); ++to) processes_->send(to, bytes);
    }

    /// The next letter of the first process. Sleeps while it waits: on a shared machine others have work.
    std::string receive() {
        while (true) {
            if (auto letter = processes_->poll()) return std::move(letter->bytes);
            std::this_thread::sleep_for(kPause);
        }
    }

    std::unique_ptr<profiler::Processes> processes_;
    int threads_;
    tbb::task_arena arena_;
};

int share_of_cores(int neighbours) {
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    return std::max(1, std::min(tbb::info::default_concurrency(), cores / std::max(1, neighbours)));
}

}  // namespace

void Packet::read(void* to, std::size_t bytes) {
    if (bytes_.size() - at_ < bytes)
        throw SimulationError("a process of the job sent less than it announced");
    std::memcpy(to, bytes_.data() + at_, bytes);
    at_ += bytes;
}

std::unique_ptr<Team> make_lone_team(int jobs) {
    return std::make_unique<Threads>(jobs);
}

std::unique_ptr<Team> make_team(int jobs) {
    std::unique_ptr<profiler::Processes> processes = profiler::make_processes();
    if (processes->size() == 1) return make_lone_team(jobs);
    const int share = share_of_cores(processes->neighbours());  // every process must ask
    return std::make_unique<Job>(std::move(processes), jobs > 0 ? jobs : share);
}

}  // namespace orrery::study
