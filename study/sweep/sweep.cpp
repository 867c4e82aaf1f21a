#include "study/sweep/sweep.hpp"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "study/sweep/best_first.hpp"
#include "study/sweep/front.hpp"
#include "study/sweep/point_runner.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kWave = 65536;  ///< points listed at once
constexpr std::size_t kChunk = 16;    ///< points to a transaction

using Runners = tbb::enumerable_thread_specific<PointRunner>;

void run_points(std::span<const std::uint64_t> points, Runners& runners, Store& store,
                const SweepOptions& options) {
    std::mutex mutex;
    const std::size_t chunks = (points.size() + kChunk - 1) / kChunk;
    tbb::parallel_for(
        std::size_t{0}, chunks,
        [&](std::size_t chunk) {
            PointRunner& runner = runners.local();
            std::vector<PointRow> rows;
            for (std::size_t i = chunk * kChunk; i < std::min(points.size(), (chunk + 1) * kChunk); ++i) {
                rows.push_back(runner.run(points[i]));
                if (options.advance) options.advance(1);
            }
            const std::scoped_lock lock(mutex);
            store.add(rows);
        },
        tbb::simple_partitioner());
}

}  // namespace

bool can_prune(const Study& study) {
    if (study.objectives.size() != 1) return false;
    const Objective& objective = study.objectives.front();
    if (objective.minimize) return objective.of.text == "step_time_s";
    return objective.of.text == "tokens_per_s" || objective.of.text == "tokens_per_s_per_gpu";
}

PointRow run_point(const Study& study, std::uint64_t point) {
    return PointRunner(study).run(point);
}

void sweep(const Study& study, Store& store, const SweepOptions& options) {
    if (options.prune_to > 0 && can_prune(study)) return sweep_best_first(study, store, options);
    const std::uint64_t size = study.space.size();
    const std::vector<bool> done = store.done(size);
    Runners runners([&study] { return PointRunner(study); });
    tbb::task_arena arena(options.jobs > 0 ? options.jobs : tbb::task_arena::automatic);
    for (std::uint64_t first = 0; first < size; first += kWave) {
        std::vector<std::uint64_t> points;
        const std::uint64_t end = std::min<std::uint64_t>(size, first + kWave);
        for (std::uint64_t id = first; id < end; ++id) {
            if (!done[id]) points.push_back(id);
        }
        if (!points.empty()) arena.execute([&] { run_points(points, runners, store, options); });
    }
}

std::vector<Ranked> rank(const Study& study, Store& store) {
    std::vector<Expression> expressions;
    for (const Objective& objective : study.objectives) expressions.push_back(objective.of);
    std::vector<Ranked> ranked;
    std::vector<std::vector<double>> badnesses;
    for (const Store::Found& found : store.find(PointStatus::ok, expressions)) {
        std::vector<double> bad;
        for (std::size_t i = 0; i < expressions.size(); ++i) {
            bad.push_back(badness(study.objectives[i], found.values[i]));
        }
        Ranked one{found.id, bad};
        for (std::size_t i = 0; i < bad.size(); ++i) {
            if (!study.objectives[i].minimize) one.values[i] = -bad[i];
        }
        ranked.push_back(std::move(one));
        badnesses.push_back(std::move(bad));
    }
    std::vector<std::size_t> order;
    if (study.objectives.size() > 1) {
        order = pareto_front(badnesses);
    } else {
        for (std::size_t i = 0; i < ranked.size(); ++i) {
            if (!std::isnan(badnesses[i].front())) order.push_back(i);
        }
        std::stable_sort(order.begin(), order.end(),
                         [&](auto a, auto b) { return badnesses[a].front() < badnesses[b].front(); });
    }
    std::vector<Ranked> best;
    for (const std::size_t i : order) best.push_back(std::move(ranked[i]));
    return best;
}

}  // namespace orrery::study
