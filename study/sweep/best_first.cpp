#include "study/sweep/best_first.hpp"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "study/sweep/point_runner.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kWave = 64;    ///< points simulated between two looks at the best
constexpr std::size_t kChunk = 256;  ///< points examined or pruned to a transaction
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The smallest `most` of the numbers given so far.
class Best {
  public:
    explicit Best(std::size_t most) : most_(most) {}

    void add(double x) {
        if (x >= worst()) return;
        kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), x), x);
        if (kept_.size() > most_) kept_.pop_back();
    }

    /// What a further number must be below to be kept.
    [[nodiscard]] double worst() const { return kept_.size() == most_ ? kept_.back() : kInfinity; }

  private:
    std::size_t most_;
    std::vector<double> kept_;  ///< sorted
};

class Search {
  public:
    Search(const Study& s, Store& t, const SweepOptions& o)
        : study(s), store(t), options(o), done(store.done(s.space.size())), runners([&s] {
              return PointRunner(s);
          }) {}

    void run() {
        find_found();
        for (std::uint64_t first = 0; first < done.size(); first += kExamined) examine_from(first);
        std::sort(open.begin(), open.end());
        Best best(options.prune_to);
        std::size_t at = 0;
        for (; at < open.size() && open[at].first <= best.worst(); at += kWave) simulate_wave(at, best);
        prune_from(std::min(at, open.size()));
    }

  private:
    static constexpr std::uint64_t kExamined = 1 << 20;  ///< points examined at once: bounds the memory

    void find_found() {
        const Objective& objective = study.objectives.front();
        for (const Store::Found& one : store.find(PointStatus::ok, {objective.of})) {
            const double x = badness(objective, one.values.front());
            found[one.id] = std::isnan(x) ? kInfinity : x;
        }
        settled.assign(done.size(), false);
        for (const Store::Found& one : store.find(PointStatus::illegal, {})) settled[one.id] = true;
    }

    /// Stores the rows of points that need no simulation, and lists the others with their bounds.
    void examine_from(std::uint64_t first) {
        const std::uint64_t end = std::min<std::uint64_t>(done.size(), first + kExamined);
        in_chunks(end - first, [&](std::size_t begin, std::size_t stop, PointRunner& runner) {
            std::vector<PointRow> rows;
            std::vector<std::pair<double, std::uint64_t>> bounds;
            for (std::uint64_t id = first + begin; id < first + stop; ++id) {
                if (settled[id]) continue;
                PointRunner::Examined examined = runner.examine(id);
                if (!examined.row) {
                    bounds.emplace_back(examined.bound, id);
                } else if (!done[id]) {
                    rows.push_back(*std::move(examined.row));
                }
            }
            add(rows);
            const std::scoped_lock lock(mutex);
            open.insert(open.end(), bounds.begin(), bounds.end());
        });
    }

    /// Points alike in their bounds keep the order of their ids; all see the best of the waves before.
    void simulate_wave(std::size_t at, Best& best) {
        const std::size_t end = std::min(open.size(), at + kWave);
        const double worst = best.worst();
        std::vector<double> badnesses(end - at, kInfinity);
        in_arena([&] {
            tbb::parallel_for(
                at, end,
                [&](std::size_t i) {
                    const auto [bound, id] = open[i];
                    if (done[id]) {
                        if (const auto known = found.find(id); known != found.end())
                            badnesses[i - at] = known->second;
                        return;
                    }
                    PointRunner& runner = runners.local();
                    const PointRow row = bound > worst ? runner.pruned(id) : runner.run(id);
                    badnesses[i - at] = runner.badness_of(row);
                    add({&row, 1});
                },
                tbb::simple_partitioner());
        });
        for (const double x : badnesses) best.add(x);
    }

    void prune_from(std::size_t at) {
        in_chunks(open.size() - at, [&](std::size_t begin, std::size_t stop, PointRunner& runner) {
            std::vector<PointRow> rows;
            for (std::size_t i = at + begin; i < at + stop; ++i)
                if (!done[open[i].second]) rows.push_back(runner.pruned(open[i].second));
            add(rows);
        });
    }

    void add(std::span<const PointRow> rows) {
        if (rows.empty()) return;
        const std::scoped_lock lock(mutex);
        store.add(rows);
        if (options.advance) options.advance(rows.size());
    }

    template <class Do>
    void in_arena(Do what) {
        tbb::task_arena arena(options.jobs > 0 ? options.jobs : tbb::task_arena::automatic);
        arena.execute(what);
    }

    template <class Do>
    void in_chunks(std::size_t count, Do what) {
        in_arena([&] {
            tbb::parallel_for(
                std::size_t{0}, (count + kChunk - 1) / kChunk,
                [&](std::size_t chunk) {
                    what(chunk * kChunk, std::min(count, (chunk + 1) * kChunk), runners.local());
                },
                tbb::simple_partitioner());
        });
    }

    const Study& study;
    Store& store;
    const SweepOptions& options;
    std::vector<bool> done;                              ///< [point] in the store from before
    std::vector<bool> settled;                           ///< [point] of those, what needs no examination
    std::unordered_map<std::uint64_t, double> found;     ///< badness of the ok points from before
    std::vector<std::pair<double, std::uint64_t>> open;  ///< (bound, point)
    tbb::enumerable_thread_specific<PointRunner> runners;
    std::mutex mutex;
};

}  // namespace

void sweep_best_first(const Study& study, Store& store, const SweepOptions& options) {
    Search(study, store, options).run();
}

}  // namespace orrery::study
